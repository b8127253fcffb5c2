"""How a command fails: an exit code for scripts, a sentence for people."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

FAILED: Final = 1
WRONG: Final = 2
UNREACHABLE: Final = 3
REFUSED: Final = 4
UNKNOWN: Final = 5
PENDING: Final = 6
SIGNALLED: Final = 128
"""The exit code after a signal is this plus the number of the signal, as in shells."""

EPILOG: Final = """\
exit codes:
  0 success   1 failed or rejected by the daemon   2 wrong command line or configuration
  3 no daemon answers   4 token not accepted or lacks the permission   5 no such container, volume …
  6 not finished within --wait   130 interrupted   141 the output was closed
"""


class Trouble(Exception):  # noqa: N818 - what the command ends with
    """The command ends with ``code``; ``str()`` is the message, which may quote untrusted text.

    ``answer`` is the daemon's response, with its ``code``; empty if there was none.
    """

    def __init__(self, code: int, sentence: str, answer: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(sentence)
        self.code = code
        self.answer = answer
