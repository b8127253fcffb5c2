"""A broadcast: frames that are encoded once and sent to all viewers.

The order of events that matters:

1. ``publish`` is synchronous. It offers the frame to every viewer in ``_live``, each of which is exactly at
   the head, by a write that never waits; then the head has moved on. Nothing else can happen in between.
2. A viewer whose write would block leaves ``_live`` within that same ``publish``: the frame that it did not
   take is the next one that it reads from the ring, in its own task, up to ``JOINED`` frames in a write.
3. A viewer returns to ``_live`` after it has found nothing left to read, with no ``await`` in between. So
   no frame is sent twice and none is skipped.
4. The ring keeps frames for viewers that are behind, and nothing if there are none. It is bounded by
   ``FRAMES`` and ``SIZE``. A viewer that it has outrun continues at its oldest frame, after it was sent
   what ``lost`` returns for the part in between: a ``gap`` for lines, and every event, from the journal.
5. What was published before ``end`` or ``fail`` is sent first; then ``follow`` returns or raises.

A ``Cut`` is the position after a frame. Each frame in the ring has its cut, so that what was outrun is
known exactly. The position of a live viewer is the head, and stored nowhere else.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import islice
from typing import Protocol

import attrs
import trio

FRAMES = 4096
SIZE = 1024 * 1024
JOINED = 64
JOINED_SIZE = 256 * 1024
PAUSE = 0.025


class BroadcastBroken(Exception):  # noqa: N818 - names the state
    """A bug ended the broadcast."""


class Socket(Protocol):
    """Where a viewer's frames are written; see ``lightd.http.transport.websocket.Socket``."""

    def write_nowait(self, framed: bytes) -> bool:
        """Take all of it, or none."""
        ...

    async def write(self, framed: bytes) -> None:
        """Take all of it, in time."""
        ...


@attrs.frozen
class Cut:
    """A position in a stream: after console line ``line`` and after the event at ``position``."""

    line: int
    position: int


Lost = Callable[[Cut, Cut], AsyncGenerator[bytes, None]]
"""Yields the frames that replace everything between two cuts."""


@attrs.define(eq=False)
class Broadcast:
    """One stream's frames and its viewers. ``cut`` is the one at the head."""

    cut: Cut
    lost: Lost
    head: int = 0
    ended: bool = False
    failure: Exception | None = None
    _ring: deque[tuple[bytes, Cut]] = attrs.field(factory=deque)
    _held: int = 0
    _before: Cut = attrs.field(init=False)
    _live: dict["Viewer", Callable[[bytes], bool]] = attrs.field(factory=dict)
    _behind: set["Viewer"] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self._before = self.cut

    @property
    def first(self) -> int:
        """The number of the oldest frame that is kept; ``head + 1`` where none is."""
        return self.head - len(self._ring) + 1

    @property
    def before(self) -> Cut:
        """The cut before the oldest frame that is kept."""
        return self._before

    @property
    def viewers(self) -> int:
        return len(self._live) + len(self._behind)

    def publish(self, framed: bytes, cut: Cut) -> None:
        """Send ``framed``, after which the stream is at ``cut``, to all viewers; never waits."""
        number, before = self.head + 1, self.cut
        refused = [viewer for viewer, write_nowait in tuple(self._live.items()) if not write_nowait(framed)]
        self.head, self.cut = number, cut
        for viewer in refused:
            if self._live.pop(viewer, None) is not None:
                self._behind.add(viewer)
                viewer.fall_behind(number, before)
        if self._behind:
            self._keep(framed, cut)
        else:
            self._before = cut

    def _keep(self, framed: bytes, cut: Cut) -> None:
        self._ring.append((framed, cut))
        self._held += len(framed)
        while len(self._ring) > 1 and (len(self._ring) > FRAMES or self._held > SIZE):
            forgotten, self._before = self._ring.popleft()
            self._held -= len(forgotten)

    def _forget(self) -> None:
        if not self._behind:
            self._ring.clear()
            self._held = 0
            self._before = self.cut

    def read(self, after: int) -> tuple[bytes, int, Cut]:
        """Return the frames after number ``after``, joined within bounds; the last one's number and its cut.

        There must be such a frame, and the first of them must be kept.
        """
        found: list[bytes] = []
        size, cut = 0, self.cut
        start = after + 1 - self.first
        for framed, cut in islice(self._ring, start, start + JOINED):  # noqa: B007 - the last one is returned
            found.append(framed)
            size += len(framed)
            if size >= JOINED_SIZE:
                break
        return b"".join(found), after + len(found), cut

    def join(self, socket: Socket) -> "Viewer":
        """Return a viewer of all that is published from now on; call its ``follow`` and then ``leave``."""
        viewer = Viewer(self, socket, self.head, self.cut)
        self._behind.add(viewer)
        return viewer

    def go_live(self, viewer: "Viewer") -> None:
        """Write to ``viewer`` directly from now on; it must have read all there is."""
        self._behind.discard(viewer)
        self._live[viewer] = viewer.socket.write_nowait
        self._forget()

    def leave(self, viewer: "Viewer") -> None:
        """Forget ``viewer``."""
        self._live.pop(viewer, None)
        self._behind.discard(viewer)
        self._forget()

    def end(self) -> None:
        """End the broadcast: nothing more will be published."""
        self.ended = True
        self._behind.update(self._live)
        for viewer in self._live:
            viewer.fall_behind(self.head + 1, self.cut)
        self._live.clear()

    def fail(self, error: Exception) -> None:
        """End the broadcast because of ``error``."""
        self.failure = error
        self.end()


@attrs.define(eq=False)
class Viewer:
    """One client. ``cut`` is its position while it isn't live."""

    _broadcast: Broadcast
    socket: Socket
    _last: int
    cut: Cut
    _woken: trio.Event = attrs.field(factory=trio.Event)
    _written_at: float = 0.0

    def fall_behind(self, number: int, cut: Cut) -> None:
        """Read on at frame ``number``, which comes after ``cut``."""
        self._last, self.cut = number - 1, cut
        self._woken.set()

    async def follow(self) -> None:
        """Send everything until the broadcast has ended; raises ``BroadcastBroken`` if a bug ended it."""
        broadcast = self._broadcast
        while True:
            while self._last < broadcast.head:
                await self._catch_up()
            if broadcast.failure is not None:
                raise BroadcastBroken("the source of the broadcast has failed") from broadcast.failure
            if broadcast.ended:
                return
            self._woken = trio.Event()
            broadcast.go_live(self)
            await self._woken.wait()
            await self._gather()

    async def _catch_up(self) -> None:
        broadcast = self._broadcast
        if self._last + 1 < broadcast.first:
            since, self.cut, self._last = self.cut, broadcast.before, broadcast.first - 1
            async with aclosing(broadcast.lost(since, self.cut)) as lost:
                async for framed in lost:
                    await self.socket.write(framed)
        else:
            framed, self._last, self.cut = broadcast.read(self._last)
            await self.socket.write(framed)
        self._written_at = trio.current_time()

    async def _gather(self) -> None:
        """Wait for more frames if this viewer's own task has written only a moment ago."""
        if trio.current_time() - self._written_at < 2 * PAUSE and not self._broadcast.ended:
            await trio.sleep(PAUSE)

    def leave(self) -> None:
        self._broadcast.leave(self)
