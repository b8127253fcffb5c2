"""What a command does in an event loop, after its requests: follow frames, read keys."""

import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from lightd.cli.commands.trouble import SIGNALLED

Frame = dict[str, Any]
Live = Callable[[], Awaitable[int]]
"""The rest of a command; returns the exit code."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(work: Live) -> int:
    """Return the result of ``work``, or the exit code of the signal that ended it."""
    import trio  # noqa: PLC0415 - takes as long as all else of a command

    code = 0

    async def attended() -> None:
        nonlocal code
        async with trio.open_nursery() as nursery:

            async def mind() -> None:
                nonlocal code
                with trio.open_signal_receiver(*ENDING) as signals:
                    number = await anext(signals)
                code = SIGNALLED + number
                nursery.cancel_scope.cancel()

            nursery.start_soon(mind)
            await trio.lowlevel.checkpoint()  # the signals are handled from here on
            code = await work()
            nursery.cancel_scope.cancel()

    trio.run(attended)
    return code
