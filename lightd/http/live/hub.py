"""The broadcasts that have viewers: one for each container that is watched, and the node's own.

What a token may see is decided where a broadcast is filled, once, and not for each viewer. Viewers that may
see the same share one; viewers that may see different things have different ones.

A broadcast exists while it has viewers, so nothing is framed for nobody. One task polls the source,
publishes what is new, and waits: for the source, or for a pause if lines arrive fast (``Pace``). For each
new viewer the source is polled first, in turn with that task, so that the viewer begins at a clean cut.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, TypeVar

import attrs
import trio

from actors.container.fleet import Member
from actors.kernel.bus import Bus
from lightd.http.live.broadcast import Broadcast, Socket, Viewer
from lightd.http.live.kinds import EVERY_KIND, Kinds
from lightd.http.live.pacing import ALL, ALL_AT_ONCE, LONG, Budget, Pace
from lightd.http.live.source import ContainerSource, NodeSource, Reached, Source

logger = logging.getLogger(__name__)

K = TypeVar("K")
S = TypeVar("S", bound=Source)


@attrs.define(eq=False)
class Channel(Generic[S]):
    """One broadcast, its source, and the task between them."""

    source: S
    all: Budget
    """The budget that all fast consoles share."""
    broadcast: Broadcast = attrs.field(init=False)
    listeners: int = 0
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _looking: trio.Lock = attrs.field(factory=trio.Lock)

    def __attrs_post_init__(self) -> None:
        self.broadcast = Broadcast(self.source.cut, self.source.lost)

    async def run(self) -> None:
        """Publish until the source is over or the last viewer leaves; a bug ends only this broadcast."""
        with self.scope:
            try:
                await self._run()
            except Exception:  # the session of every viewer fails with it
                logger.exception("a broadcast failed; its WebSockets are closed")

    async def _run(self) -> None:
        pace = Pace(self.all)
        while True:
            before = self.broadcast.head
            lines = await self._look()
            now = trio.current_time()
            pause = pace.pause(lines, now, self.broadcast.head - before, self.broadcast.viewers)
            if pause < LONG:  # the next line may come after the pause: then the pause wakes nobody
                if self.source.over:
                    self.broadcast.end()
                    return
                await self.source.wait()
            if trio.current_time() < now + pause:
                await trio.sleep_until(now + pause)

    async def _look(self) -> int:
        try:
            self._looking.acquire_nowait()  # no checkpoint: it would be a turn of the loop for every line
        except trio.WouldBlock:
            await self._looking.acquire()
        try:
            return await self.source.look(self.broadcast.publish)
        except Exception as error:  # what was published is unknown, so the broadcast ends
            self.broadcast.fail(error)
            raise
        finally:
            self._looking.release()

    async def join(self, socket: Socket) -> Viewer:
        """Return a viewer that begins at the present state: there is nothing new when this returns."""
        await self._look()
        return self.broadcast.join(socket)


@attrs.define(eq=False)
class Hub:
    """All broadcasts. Made by ``open_hub``."""

    _bus: Bus
    _nursery: trio.Nursery
    _name_of: Callable[[str], str]
    _all: Budget = attrs.field(factory=lambda: Budget(ALL, ALL_AT_ONCE))
    _containers: dict[tuple[Member, Kinds], Channel[ContainerSource]] = attrs.field(factory=dict)
    _node: dict[Reached | None, Channel[NodeSource]] = attrs.field(factory=dict)

    @contextmanager
    def container(self, member: Member, kinds: Kinds = EVERY_KIND) -> Iterator[Channel[ContainerSource]]:
        """Yield the channel of a container for ``kinds``; it exists until its last block is left."""

        def new_source() -> ContainerSource:
            return ContainerSource(self._bus, member, kinds)

        with self._listen(self._containers, (member, kinds), new_source) as channel:
            yield channel

    @contextmanager
    def node(self, containers: Reached | None = None) -> Iterator[Channel[NodeSource]]:
        """Yield the channel of the node, or of ``containers``; it exists until its last block is left."""
        with self._listen(
            self._node, containers, lambda: NodeSource(self._bus, containers, self._name_of)
        ) as channel:
            yield channel

    @contextmanager
    def _listen(
        self, channels: dict[K, Channel[S]], key: K, new_source: Callable[[], S]
    ) -> Iterator[Channel[S]]:
        channel = channels.get(key)
        if channel is None or channel.broadcast.ended:
            channel = channels[key] = Channel(new_source(), self._all)
            self._nursery.start_soon(channel.run)
        channel.listeners += 1
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                channel.scope.cancel()
                if channels.get(key) is channel:
                    del channels[key]


@asynccontextmanager
async def open_hub(bus: Bus, name_of: Callable[[str], str] = lambda _: "") -> AsyncIterator[Hub]:
    """Yield a hub without broadcasts; on leaving, all of them are cancelled.

    ``name_of`` returns the display name of a container, empty if it has none.
    """
    async with trio.open_nursery() as nursery:
        try:
            yield Hub(bus, nursery, name_of)
        finally:
            nursery.cancel_scope.cancel()
