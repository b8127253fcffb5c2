"""How a command ends that could not do what it was asked: a code for scripts, a sentence for a person."""

from typing import Final

FAILED: Final = 1
WRONG: Final = 2
UNREACHABLE: Final = 3
REFUSED: Final = 4
UNKNOWN: Final = 5
PENDING: Final = 6
SIGNALLED: Final = 128
"""Added to the number of the signal, as shells do."""

EPILOG: Final = """\
exit codes:
  0 done   1 it failed, or the daemon refused it   2 wrong command line or configuration
  3 no daemon answers   4 the token is not accepted, or may not do this   5 no such container
  6 not ended within --wait   130 interrupted   141 nobody reads the output any more
"""


class Trouble(Exception):  # noqa: N818 - what the command ends with
    """The command ends with ``code``; ``str()`` is the sentence, in which the world's words may stand."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
