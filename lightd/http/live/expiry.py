"""Closes a WebSocket when its token expires, and sends a warning before.

The expiry is a time of day, and the clock can be set meanwhile: it is read again every ``LOOK_AGAIN``
seconds.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from lightd.http.live import frames
from lightd.http.live.broadcast import Socket

NOTICE = 60.0
"""Seconds before the expiry when the warning is sent; at once if fewer are left."""

LOOK_AGAIN = 60.0


@asynccontextmanager
async def expiring(
    socket: Socket, scope: trio.CancelScope, expires_at: float | None, clock: Callable[[], float]
) -> AsyncIterator[None]:
    """Cancel ``scope`` at ``expires_at`` (Unix seconds, as ``clock`` returns them), unless it is None.

    A task of its own sends the warning, so that a client that reads slowly does not delay the end.
    """
    if expires_at is None:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_warn, socket, expires_at, clock)
        nursery.start_soon(_end, scope, expires_at, clock)
        yield
        nursery.cancel_scope.cancel()


async def _warn(socket: Socket, expires_at: float, clock: Callable[[], float]) -> None:
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
