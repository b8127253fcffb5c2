"""Runs blocking work on the host in threads, and maps the host's errors."""

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple, Unpack

import trio

from actors.container.engine import EngineRefused, EngineUnavailable

AGAIN: Final = 1.0  # seconds after the host could not be inspected

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


async def change(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Run a function that changes something; an ``OSError`` becomes ``EngineRefused``."""
    try:
        return await trio.to_thread.run_sync(function, *args)
    except OSError as error:
        raise EngineRefused(f"The host rejects the change: {error.strerror}") from None


async def inspect(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Run a function that inspects something; an ``OSError`` becomes ``EngineUnavailable``."""
    try:
        return await trio.to_thread.run_sync(function, *args)
    except OSError as error:
        raise EngineUnavailable(f"The host cannot be inspected: {error.strerror}") from None


async def inspect_until_seen(function: Callable[[Unpack[Given]], Result], *args: *Given) -> Result:
    """Run a function that inspects something, again and again until it succeeds."""
    while True:
        try:
            return await inspect(function, *args)
        except EngineUnavailable:
            await trio.sleep(AGAIN)
