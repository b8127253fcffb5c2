"""The end of a WebSocket whose token expires, and the word that it is near.

A token's end is a time of day, a wait is so many seconds: the clock is looked at again every ``LOOK_AGAIN``
seconds, so one that was set meanwhile moves the end by as much, to within that.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from lightd.http.live import frames
from lightd.http.live.broadcast import Socket

NOTICE = 60.0
"""So many seconds ahead a viewer is told; at once where there are fewer left."""

LOOK_AGAIN = 60.0


@asynccontextmanager
async def expiring(
    socket: Socket, scope: trio.CancelScope, expires_at: float | None, clock: Callable[[], float]
) -> AsyncIterator[None]:
    """Have ``scope`` cancelled at ``expires_at`` (Unix seconds, as ``clock`` has them), unless it is None.

    The viewer is told before, in a task of its own: one who reads slowly doesn't put off the end.
    """
    if expires_at is None:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell, socket, expires_at, clock)
        nursery.start_soon(_end, scope, expires_at, clock)
        yield
        nursery.cancel_scope.cancel()


async def _tell(socket: Socket, expires_at: float, clock: Callable[[], float]) -> None:
    await _wait_until(expires_at - NOTICE, clock)
    seconds = max(0, math.ceil(expires_at - clock()))
    text = f"This session ends in {seconds} second{'' if seconds == 1 else 's'}: its token expires."
    await socket.write(frames.to_frame(frames.to_message(text)))


async def _end(scope: trio.CancelScope, expires_at: float, clock: Callable[[], float]) -> None:
    await _wait_until(expires_at, clock)
    scope.cancel()


async def _wait_until(at: float, clock: Callable[[], float]) -> None:
    while (left := at - clock()) > 0:  # noqa: ASYNC110 - time itself is what is waited for
        await trio.sleep(min(left, LOOK_AGAIN))
