"""What changes slowly on a node, read at most once in a few seconds however many clients ask.

A disk or an engine that does not answer holds up one thread and one call, and each client for ``PATIENCE``.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

import attrs
import trio

from actors.container.engine import Engine, EngineRefused, EngineUnavailable
from lightd.engines.host import facts
from lightd.engines.host.facts import Facts

T = TypeVar("T")

FRESH: Final = 2.0
"""Seconds for which facts about the host are used again."""
VERSION_FRESH: Final = 30.0
PATIENCE: Final = 2.0


@attrs.define(eq=False)
class Cached(Generic[T]):
    """A value that is used for ``seconds`` and then read again, by one caller at a time; None is not kept."""

    _read: Callable[[], Awaitable[T | None]]
    _seconds: float
    _value: T | None = None
    _due: float = -math.inf
    _reading: trio.Lock = attrs.field(factory=trio.Lock)

    async def get(self) -> T | None:
        """Return the value; the previous one, or None, if it can't be read within ``PATIENCE`` seconds."""
        with trio.move_on_after(PATIENCE):
            async with self._reading:
                if trio.current_time() >= self._due:
                    self._value = await self._read()
                    if self._value is not None:
                        self._due = trio.current_time() + self._seconds
        return self._value


@attrs.define(eq=False)
class Node:
    """The host, with the disks of some folders, and the engine's version; None where it can't be read."""

    host: Cached[Facts]
    engine_version: Cached[str]


def to_node(engine: Engine, folders: Mapping[str, Path]) -> Node:
    """Return the node of ``engine``; nothing is read yet."""
    limiter = trio.CapacityLimiter(1)

    async def read_host() -> Facts | None:
        read = partial(facts.read, folders)
        try:
            return await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=limiter)
        except (OSError, ValueError, LookupError):
            return None

    async def ask_version() -> str | None:
        try:
            return await engine.version()
        except (EngineUnavailable, EngineRefused):
            return None

    return Node(Cached(read_host, FRESH), Cached(ask_version, VERSION_FRESH))
