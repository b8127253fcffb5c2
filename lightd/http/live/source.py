"""What a feed is filled from: one container, or the whole node.

A ``Source`` is looked at by one task at a time. When ``look`` returns, every event that is known by then was
published, and every line that was there when it began, and no ``await`` has come since: whoever joins the
feed at that moment continues from the view that stands. More lines than fit into a frame may be left for the
next look, so a console that never rests can't keep whoever joins for ever.

Each frame of lines but the last is followed by a turn (``actors.kernel.turns``).

The order within one look: an event follows the lines and notes that were there when its container's actor
showed it, and precedes all later ones (``Console.seam``). So the line that made a server ready comes before
the word that it is, the last line of a run before its exit, and the first of the next after its start, also
where a pause has put all of them into one look.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import attrs

from actors.container.console.console import Console
from actors.container.events import Deleted
from actors.container.fleet import Member, internal_id_of, stream_of
from actors.container.state import Phase
from actors.kernel.bus import Bus, Subscription
from actors.kernel.journal import Condensed, Recorded
from lightd.api.events import to_state_frame
from lightd.http.live import frames
from lightd.http.live.broadcast import Cut
from lightd.http.live.kinds import EVERY_KIND, Kinds

LINES_A_FRAME = 500
RECORDS_A_PAGE = 100
"""So many past events are read, framed and sent in one go: about a millisecond on the loop."""
LOOKED_BACK = 50
"""Events before the first that is shown, by which a start is known for the second half of a restart."""
FRAME = 64 * 1024
"""Bytes of lines after which a frame is full."""

Publish = Callable[[bytes, Cut], None]

Reached = frozenset[tuple[str, int]]
"""Containers that a token reaches: each with the position after which that id stands for this one."""


class Source(Protocol):
    """Where frames come from. ``cut`` is what was published so far."""

    @property
    def cut(self) -> Cut: ...

    @property
    def over(self) -> bool:
        """There is nothing new, and there never will be."""
        ...

    async def look(self, publish: Publish) -> int:
        """Publish all that is new, and return how many lines of a console it was."""
        ...

    async def wait(self) -> None:
        """Wait until there may be something new."""
        ...

    def lost(self, since: Cut, until: Cut) -> AsyncGenerator[bytes, None]:
        """Give the frames that stand for all between two cuts."""
        ...


@attrs.define(eq=False)
class ContainerSource:
    """A container's lines, notes, events and statistics: those of ``kinds``, the rest in silence.

    Lines that aren't shown are passed by at the same moments, so the rest keeps its place among them.
    """

    _bus: Bus
    member: Member
    kinds: Kinds = EVERY_KIND
    cut: Cut = attrs.field(init=False)
    _note: int = attrs.field(init=False)
    _stats: int = attrs.field(init=False)
    _events: Subscription = attrs.field(init=False)
    _pending: deque[Recorded] = attrs.field(factory=deque)
    _commentary: frames.Commentary = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin at what stands."""
        view, console = self.member.view, self._console
        self.cut = Cut(console.lines.last, view.position)
        self._note = console.notes.last
        self._stats = self.member.stats.edition
        self._events = self._bus.subscribe(view.position, self.member.handle.name)
        self._commentary = frames.Commentary(view.state.follow)

    @property
    def _shows_lines(self) -> bool:
        return "console" in self.kinds

    @property
    def _console(self) -> Console:
        return self.member.console

    async def look(self, publish: Publish) -> int:
        """Publish all that is new; see the module's rules."""
        before, until = self.cut.line, self._console.lines.last
        while True:
            while self._events.position < self.member.view.position:
                self._pending.extend(await self._events.poll())
            if self._publish(publish, until):
                return self.cut.line - before
            await self._console.turns.next()

    def _publish(self, publish: Publish, until: int) -> bool:
        """Publish what is new, as far as a frame of lines goes; return true where nothing was left out."""
        while self._pending and self._pending[0].position <= self.member.view.position:
            seam = self._console.marker(self._pending[0].position)
            if not self._publish_lines(publish, seam.line):
                return False
            record = self._pending.popleft()
            self._publish_notes(publish, seam.note)
            self.cut = Cut(self.cut.line, record.position)
            if framed := to_framed(record, self._commentary):
                publish(framed, self.cut)
        if not self._publish_lines(publish, until):
            return False
        if (last := self._console.lines.last) - self.cut.line <= LINES_A_FRAME:
            self._publish_lines(publish, last)
        self._publish_notes(publish, self._console.notes.last)
        self._publish_stats(publish)
        return True

    def _publish_lines(self, publish: Publish, until: int) -> bool:
        """Publish the next frame of lines up to ``until``; return true where that was the last."""
        if not self._shows_lines:
            self.cut = Cut(max(until, self.cut.line), self.cut.position)
        elif self.cut.line < until:
            framed, line = to_stretch(self._console, self.cut.line, until)
            self.cut = Cut(line, self.cut.position)
            publish(framed, self.cut)
        return self.cut.line >= until

    def _publish_notes(self, publish: Publish, until: int) -> None:
        if self._note < until:
            stretch = self._console.notes.read(self._note, until - self._note)
            self._note = until
            for note in stretch.items:
                publish(frames.to_frame(frames.to_message(note)), self.cut)

    def _publish_stats(self, publish: Publish) -> None:
        stats = self.member.stats
        if self._stats != stats.edition:
            self._stats = stats.edition
            if stats.value is not None and "stats" in self.kinds:
                publish(frames.to_frame(frames.to_stats(stats.value)), self.cut)

    @property
    def _is_current(self) -> bool:
        return (
            self.cut.line >= self._console.lines.last
            and self._note >= self._console.notes.last
            and self._stats == self.member.stats.edition
            and self._events.position >= self.member.view.position
        )

    @property
    def over(self) -> bool:
        """All of a deleted container was published."""
        return self._is_current and self.member.state.phase is Phase.DELETED

    async def wait(self) -> None:
        """Wait until there is something new; a checkpoint only where there isn't."""
        if self._is_current:
            await self.member.wake.wait()

    async def missed(self, since: int, until: int) -> AsyncGenerator[tuple[bytes, bool], None]:
        """Give the frames of the events over position ``since`` up to ``until``, a page at a time.

        With each page comes whether it tells of a state. The next one is read after this one was taken.
        """
        stream, commentary = stream_of(self.member.internal_id), frames.Commentary()
        page = await self._bus.since(stream, since, RECORDS_A_PAGE)
        if page and page[0].version > 1:
            before = page[0].version - 1
            for record in await self._bus.history(stream, max(0, before - LOOKED_BACK), LOOKED_BACK):
                if record.version <= before:
                    commentary.to_text(record.event)
        while wanted := [record for record in page if record.position <= until]:
            yield (
                b"".join([to_framed(each, commentary) for each in wanted]),
                any(map(to_state_frame, wanted)),
            )
            page = await self._bus.since(stream, wanted[-1].position, RECORDS_A_PAGE)

    async def lost(self, since: Cut, until: Cut) -> AsyncGenerator[bytes, None]:
        """Give the word that lines are missing, then the events that came among them."""
        if until.line > since.line and self._shows_lines:
            yield frames.to_frame(frames.to_gap(until.line - since.line, until.line + 1))
        if until.position > since.position:
            async with aclosing(self.missed(since.position, until.position)) as missed:
                async for framed, _ in missed:
                    if framed:
                        yield framed


@attrs.define(eq=False)
class NodeSource:
    """Every container's events, or those of some ``containers``, up to the deletion of each."""

    bus: Bus
    containers: Reached | None = None
    _begins: dict[str, int] = attrs.field(factory=dict)
    _ends: dict[str, int] = attrs.field(factory=dict)
    cut: Cut = attrs.field(init=False)
    _events: Subscription = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begins = dict(self.containers or ())
        self.cut = Cut(0, self.bus.head)
        self._events = self.bus.subscribe(self.bus.head)

    async def look(self, publish: Publish) -> int:
        """Publish all that is new."""
        while records := await self._events.poll():
            for record in records:
                self.cut = Cut(0, record.position)
                if framed := self._to_framed(record):
                    publish(framed, self.cut)
        return 0

    def _to_framed(self, record: Recorded) -> bytes:
        """Return ``record`` to the viewers; empty where it isn't theirs."""
        internal_id = internal_id_of(record.stream)
        if internal_id is None:
            return b""
        if self.containers is not None:
            begin, end = self._begins.get(internal_id), self._ends.get(internal_id, record.position)
            if begin is None or not begin < record.position <= end:
                return b""
            if isinstance(record.event, Deleted):
                self._ends[internal_id] = record.position
        return to_node_framed(record, internal_id)

    @property
    def over(self) -> bool:
        """It never is."""
        return False

    async def wait(self) -> None:
        """Wait until there is something new; a checkpoint only where there isn't."""
        await self._events.wait()

    async def lost(self, since: Cut, until: Cut) -> AsyncGenerator[bytes, None]:
        """Give every event in between, page by page."""
        events = self.bus.subscribe(since.position)
        while events.position < until.position:
            records = await events.poll()
            wanted = [record for record in records if record.position <= until.position]
            for start in range(0, len(wanted), RECORDS_A_PAGE):
                part = wanted[start : start + RECORDS_A_PAGE]
                yield b"".join([self._to_framed(record) for record in part])


def to_framed(record: Recorded, commentary: frames.Commentary) -> bytes:
    """Return ``record`` for a container's viewers, and what is to be said of it; empty if nothing."""
    frame = to_state_frame(record)
    framed = b"" if frame is None else frames.to_frame(frame)
    text = commentary.to_text(record.event)
    return framed if text is None else framed + frames.to_frame(frames.to_message(text))


def to_node_framed(record: Recorded, internal_id: str) -> bytes:
    """Return ``record`` to the node's viewers; empty where it means nothing to them."""
    if isinstance(record.event, Condensed):
        return frames.to_frame(frames.to_message(f"Earlier events of {internal_id} are no longer kept"))
    frame = to_state_frame(record)
    if frame is None:
        return b""
    return frames.to_frame({**frame, "internal_id": internal_id})


def to_stretch(console: Console, after: int, until: int) -> tuple[bytes, int]:
    """Return the frames of the next lines over ``after`` up to ``until``, and the last one's number.

    A ``gap`` comes first where the console has lost some of them. ``until`` must be over ``after``.
    """
    stretch = console.lines.read(after, min(LINES_A_FRAME, until - after), FRAME)
    first = min(stretch.first, until + 1)
    items = stretch.items[: until + 1 - first]
    framed = frames.to_frame(frames.to_gap(first - after - 1, first)) if first > after + 1 else b""
    if items:
        framed += frames.to_frame(frames.to_console(items, first))
    return framed, first + len(items) - 1
