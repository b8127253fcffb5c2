"""Signals that end a command: with an exit code, wherever the command is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lightd.cli.commands.live import ENDING
from lightd.cli.commands.trouble import SIGNALLED

_received: list[int] = []
_deferring: list[bool] = []


@contextmanager
def ending() -> Iterator[None]:
    """Within the block, a signal that ends the command ends it with an exit code."""

    def end(number: int, _frame: FrameType | None) -> None:
        _received.append(number)
        if not _deferring or len(_received) > 1:
            raise SystemExit(SIGNALLED + number)

    ignored = {number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN}  # as by nohup
    before = {number: signal.signal(number, end) for number in ENDING if number not in ignored}
    try:
        yield
    finally:
        _received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """End the command if a signal came before; a command that does not end by itself calls this often.

    Python drops an exception that a signal raises while a destructor runs.
    """
    if _received:
        raise SystemExit(SIGNALLED + _received[0])


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal end the command only after the block: what the block makes or removes is complete then.

    A second signal ends it at once.
    """
    _deferring.append(True)
    try:
        yield
    finally:
        _deferring.pop()
    check()
