"""Stations: the feeds that are on the air, one for each container that somebody looks at, and the node's own.

Viewers who may see different things listen to different stations: what may be seen is decided where a feed is
filled, once, and never for a viewer. Those who may see the same share one.

A feed is there while it has viewers: nothing is framed for nobody. Its one task looks at the source,
publishes what is new, and waits: for the source, or for a moment where lines come fast (``Pace``). Whoever
joins has the source looked at first, in turn with that task, and so begins at a clean cut.
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
    """One feed, its source, and the task between them."""

    source: S
    all: Budget
    """What is sent of all consoles that are fast."""
    feed: Broadcast = attrs.field(init=False)
    listeners: int = 0
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _looking: trio.Lock = attrs.field(factory=trio.Lock)

    def __attrs_post_init__(self) -> None:
        self.feed = Broadcast(self.source.cut, self.source.lost)

    async def run(self) -> None:
        """Publish until the source is over, or nobody listens any more; a bug ends the feed, nothing else."""
        with self.scope:
            try:
                await self._run()
            except Exception:  # every viewer's session fails by it
                logger.exception("a feed failed")

    async def _run(self) -> None:
        pace = Pace(self.all)
        while True:
            before = self.feed.head
            lines = await self._look()
            now = trio.current_time()
            pause = pace.pause(lines, now, self.feed.head - before, self.feed.viewers)
            if pause < LONG:  # the next line may come after the pause: then the pause wakes nobody
                if self.source.over:
                    self.feed.end()
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
            return await self.source.look(self.feed.publish)
        except Exception as error:  # nobody knows what was published: this feed is over, whoever looked
            self.feed.fail(error)
            raise
        finally:
            self._looking.release()

    async def join(self, socket: Socket) -> Viewer:
        """Return a viewer that begins at what stands: there is nothing new at the moment this returns."""
        await self._look()
        return self.feed.join(socket)


@attrs.define(eq=False)
class Hub:
    """All feeds that are on the air. Made by ``open_hub``."""

    _bus: Bus
    _nursery: trio.Nursery
    _all: Budget = attrs.field(factory=lambda: Budget(ALL, ALL_AT_ONCE))
    _containers: dict[tuple[Member, Kinds], Channel[ContainerSource]] = attrs.field(factory=dict)
    _node: dict[Reached | None, Channel[NodeSource]] = attrs.field(factory=dict)

    @contextmanager
    def container(self, member: Member, kinds: Kinds = EVERY_KIND) -> Iterator[Channel[ContainerSource]]:
        """Yield the station of a container for ``kinds``; it is on the air until the block is left."""

        def new_source() -> ContainerSource:
            return ContainerSource(self._bus, member, kinds)

        with self._listen(self._containers, (member, kinds), new_source) as station:
            yield station

    @contextmanager
    def node(self, containers: Reached | None = None) -> Iterator[Channel[NodeSource]]:
        """Yield the node's own station, or the one for ``containers``, until the block is left."""
        with self._listen(self._node, containers, lambda: NodeSource(self._bus, containers)) as station:
            yield station

    @contextmanager
    def _listen(
        self, stations: dict[K, Channel[S]], key: K, new_source: Callable[[], S]
    ) -> Iterator[Channel[S]]:
        station = stations.get(key)
        if station is None or station.feed.ended:
            station = stations[key] = Channel(new_source(), self._all)
            self._nursery.start_soon(station.run)
        station.listeners += 1
        try:
            yield station
        finally:
            station.listeners -= 1
            if not station.listeners:
                station.scope.cancel()
                if stations.get(key) is station:
                    del stations[key]


@asynccontextmanager
async def open_hub(bus: Bus) -> AsyncIterator[Hub]:
    """Yield the stations, none of them on the air; on leaving, all of them fall silent."""
    async with trio.open_nursery() as nursery:
        try:
            yield Hub(bus, nursery)
        finally:
            nursery.cancel_scope.cancel()
