"""The standard streams: they always exist, and a failed write is reported."""

import errno
import os
import signal
import sys
from pathlib import Path

from lightd.cli.commands.trouble import FAILED, SIGNALLED


class Unwritten(OSError):  # noqa: N818 - ends the command, not an error of ours
    """Writing to standard output failed."""


def have_streams() -> None:
    """Open standard input, output or error on ``/dev/null`` if it was closed.

    Otherwise the next opened file, for example the journal, would get its number, and be printed to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the process ends


def tell(text: str) -> None:
    """Write and flush ``text``; raises ``Unwritten``."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise Unwritten(*error.args) from None


def tell_bytes(data: bytes) -> None:
    """As ``tell``, for the content of a file."""
    tell("")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise Unwritten(*error.args) from None


def give_up(error: OSError) -> int:
    """The exit code after a failed write; discards what is still buffered.

    For a closed pipe no message is printed, as with any program that SIGPIPE ends.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return SIGNALLED + signal.SIGPIPE
    sys.stderr.write(f"lightd: cannot write the output: {error.strerror or error}\n")
    return FAILED
