"""Work on the host that blocks, done in threads, and what becomes of the host's refusals."""

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple, Unpack

import trio

from actors.container.engine import EngineRefused, EngineUnavailable

AGAIN: Final = 1.0  # seconds after the host showed nothing

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


async def changed(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Return what changes something; what the host refuses, the engine does (``EngineRefused``)."""
    try:
        return await trio.to_thread.run_sync(function, *args)
    except OSError as error:
        raise EngineRefused(f"The host refuses it: {error.strerror}") from None


async def seen(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Return what was looked at; a host that shows nothing is an engine that doesn't answer."""
    try:
        return await trio.to_thread.run_sync(function, *args)
    except OSError as error:
        raise EngineUnavailable(f"The host can't be looked at: {error.strerror}") from None


async def seen_at_last(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Return what was looked at, once the host shows it."""
    while True:
        try:
            return await seen(function, *args)
        except EngineUnavailable:
            await trio.sleep(AGAIN)
