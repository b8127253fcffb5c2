"""Publishes notices about containers to subscribers; a subscriber that does not read loses notices."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

from actors.container.engine import EngineUnavailable, Notice
from lightd.engines.process.container import Container

WAITING: Final = 10_000  # notices; further ones are dropped, as the interface allows


@attrs.define(eq=False)
class Notices:
    """See ``engine.Engine.notices``."""

    _receive: trio.MemoryReceiveChannel[Notice]

    def __aiter__(self) -> "Notices":
        return self

    async def __anext__(self) -> Notice:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise EngineUnavailable("The engine is closed") from None


@attrs.define(eq=False)
class Publisher:
    """The set of subscribers."""

    _followers: set[trio.MemorySendChannel[Notice]] = attrs.field(factory=set)

    def tell(self, action: str, about: Container) -> None:
        notice = Notice(action, about.engine_id, about.internal_id, about.role)
        for follower in self._followers:
            try:
                follower.send_nowait(notice)
            except trio.WouldBlock:
                continue

    @contextmanager
    def followed(self) -> Iterator[Notices]:
        """Subscribe from now on."""
        send, receive = trio.open_memory_channel[Notice](WAITING)
        self._followers.add(send)
        with send, receive:
            try:
                yield Notices(receive)
            finally:
                self._followers.discard(send)
