"""The standard streams: they are there whoever starts lightd, and one that can't be written is told of."""

import errno
import os
import signal
import sys
from pathlib import Path

from lightd.commands.trouble import FAILED, SIGNALLED


class Unwritten(OSError):  # noqa: N818 - what a command ends with
    """Standard output can't be written."""


def have_streams() -> None:
    """Standard input, output and error are open; one that was closed leads nowhere.

    Else the next file that is opened, the journal say, would have its number, and be printed to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends


def tell(text: str) -> None:
    """Have ``text`` be written, with all that was before it; raises ``Unwritten``."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise Unwritten(*error.args) from None


def give_up(error: OSError) -> int:
    """The exit code of who can't write its output; what is still to be flushed goes nowhere.

    Whoever stops reading is told nothing, as of any program that SIGPIPE ends.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return SIGNALLED + signal.SIGPIPE
    sys.stderr.write(f"lightd: the output can't be written: {error.strerror or error}\n")
    return FAILED
