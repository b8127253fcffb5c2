"""What fills a broadcast: one container, or the whole node.

One task at a time calls ``look``. When it returns, every event that is known by then was published, and
every line that was there when it began, and no ``await`` has come since: a viewer that joins at that moment
continues from the present view. Lines that don't fit into a frame may be left for the next call, so that a
console that never rests doesn't keep a viewer from joining.

Each frame of lines but the last is followed by a turn (``actors.kernel.turns``).

The order within one call: an event follows the lines and notes that were there when its container's actor
showed it, and precedes all later ones (``Console.seam``). So the line that made a server ready comes before
``running``, the last line of a run before its exit, and the first of the next run after its start, also if
a pause has put all of them into one call.
"""

import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import attrs
import trio

from actors.container.console.console import UNFINISHED_DELAY, Console
from actors.container.console.log import Numbered
from actors.container.events import Adopted, Created, Deleted
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
"""The number of past events that are read, framed and sent in one step: about a millisecond."""
LOOKED_BACK = 50
"""Events before the first one that is sent, to recognise a start as the second half of a restart."""
FRAME = 64 * 1024
"""The size in bytes of lines at which a frame is full."""
WITHIN = 1.0
"""Seconds between the first and the last line of a frame, at most: it has the time of the first."""

Publish = Callable[[bytes, Cut], None]

Reached = frozenset[tuple[str, int]]
"""Containers that a token can see, each with the position after which its id means this one."""


class Source(Protocol):
    """Where frames come from. ``cut`` is what was published so far."""

    @property
    def cut(self) -> Cut: ...

    @property
    def over(self) -> bool:
        """True if everything was published and nothing more will come."""
        ...

    async def look(self, publish: Publish) -> int:
        """Publish all that is new, and return the number of console lines."""
        ...

    async def wait(self) -> None:
        """Wait until there may be something new."""
        ...

    def lost(self, since: Cut, until: Cut) -> AsyncGenerator[bytes, None]:
        """Yield the frames that replace everything between two cuts."""
        ...


@attrs.define(eq=False)
class ContainerSource:
    """A container's lines, notes, events and statistics, as far as they are of ``kinds``.

    Lines that aren't sent are skipped at the same moments, so that the rest keeps its order among them.
    """

    _bus: Bus
    member: Member
    kinds: Kinds = EVERY_KIND
    cut: Cut = attrs.field(init=False)
    _note: int = attrs.field(init=False)
    _stats: int = attrs.field(init=False)
    _events: Subscription = attrs.field(init=False)
    _pending: deque[Recorded] = attrs.field(factory=deque)
    _unfinished: int = 0
    _shown: Numbered = attrs.field(factory=lambda: Numbered(0, ""))
    _commentary: frames.Commentary = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin at the present state."""
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
        """Publish what is new, up to one frame of lines; return true if nothing is left."""
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
        self._publish_unfinished(publish)
        self._publish_notes(publish, self._console.notes.last)
        self._publish_stats(publish)
        return True

    def _publish_lines(self, publish: Publish, until: int) -> bool:
        """Publish the next frame of lines up to ``until``; return true if it was the last."""
        if not self._shows_lines:
            self.cut = Cut(max(until, self.cut.line), self.cut.position)
        elif self.cut.line < until:
            framed, line = to_stretch(self._console, self.cut.line, until)
            self.cut = Cut(line, self.cut.position)
            publish(framed, self.cut)
        return self.cut.line >= until

    @property
    def _unfinished_due(self) -> float:
        """When the unfinished line is sent as it is now, on the clock of Trio; infinite if it was."""
        console = self._console
        if console.unfinished_edition == self._unfinished or console.held or not self._shows_lines:
            return math.inf
        since = console.unfinished_since  # None: it was sent by another source
        return -math.inf if since is None else since + UNFINISHED_DELAY

    def _publish_unfinished(self, publish: Publish) -> None:
        """Publish the unfinished line if it is due, and viewers have it otherwise."""
        console, number = self._console, self.cut.line + 1
        if number <= console.lines.last or trio.current_time() < self._unfinished_due:
            return
        self._unfinished, console.unfinished_since = console.unfinished_edition, None
        before = self._shown.text if self._shown.number == number else ""
        self._shown = Numbered(number, console.unfinished, console.unfinished_at)
        if self._shown.text != before:
            publish(frames.to_frame(frames.to_unfinished(self._shown)), self.cut)

    def to_unfinished(self, line: int) -> bytes:
        """Return the frame of the unfinished line after number ``line``, as viewers have it; may be empty."""
        if self._shown.number != line + 1 or not self._shown.text:
            return b""
        return frames.to_frame(frames.to_unfinished(self._shown))

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
        """True if the container is deleted and everything of it was published."""
        return self._is_current and self.member.state.phase is Phase.DELETED

    async def wait(self) -> None:
        """Wait until there is something new; no checkpoint if there is."""
        if self._is_current:
            due = self._unfinished_due
            if due == math.inf:
                await self.member.wake.wait()
            else:
                with trio.move_on_at(due):
                    await self.member.wake.wait()

    async def missed(self, since: int, until: int) -> AsyncGenerator[tuple[bytes, bool], None]:
        """Yield the frames of the events after position ``since`` up to ``until``, a page at a time.

        With each page comes whether it has a state. The next page is read after this one was taken.
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
        """Yield a ``gap`` if lines are missing, then the events that came among them."""
        if until.line > since.line and self._shows_lines:
            yield frames.to_frame(frames.to_gap(until.line - since.line, until.line + 1))
        if until.position > since.position:
            async with aclosing(self.missed(since.position, until.position)) as missed:
                async for framed, _ in missed:
                    if framed:
                        yield framed
        if framed := self.to_unfinished(until.line):
            yield framed


@attrs.define(eq=False)
class NodeSource:
    """Every container's events, or those of some ``containers``, up to the deletion of each.

    ``name_of`` returns the display name that a container has now, empty for none.
    """

    bus: Bus
    containers: Reached | None
    name_of: Callable[[str], str]
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
        """Return the frame of ``record``; empty if its container is not among ``containers``."""
        internal_id = internal_id_of(record.stream)
        if internal_id is None:
            return b""
        if self.containers is not None:
            begin, end = self._begins.get(internal_id), self._ends.get(internal_id, record.position)
            if begin is None or not begin < record.position <= end:
                return b""
            if isinstance(record.event, Deleted):
                self._ends[internal_id] = record.position
        event = record.event  # of the first one the actor may not have shown its state yet
        name = event.spec.display_name if isinstance(event, Created | Adopted) else self.name_of(internal_id)
        return to_node_framed(record, internal_id, name)

    @property
    def over(self) -> bool:
        """False: the node's stream doesn't end."""
        return False

    async def wait(self) -> None:
        """Wait until there is something new; no checkpoint if there is."""
        await self._events.wait()

    async def lost(self, since: Cut, until: Cut) -> AsyncGenerator[bytes, None]:
        """Yield every event in between, page by page."""
        events = self.bus.subscribe(since.position)
        while events.position < until.position:
            records = await events.poll()
            wanted = [record for record in records if record.position <= until.position]
            for start in range(0, len(wanted), RECORDS_A_PAGE):
                part = wanted[start : start + RECORDS_A_PAGE]
                yield b"".join([self._to_framed(record) for record in part])


def to_framed(record: Recorded, commentary: frames.Commentary) -> bytes:
    """Return the frames of ``record`` for a container's viewers: its state and its message; maybe empty."""
    frame = to_state_frame(record)
    framed = b"" if frame is None else frames.to_frame(frame)
    text = commentary.to_text(record.event)
    return framed if text is None else framed + frames.to_frame(frames.to_message(text))


def to_node_framed(record: Recorded, internal_id: str, display_name: str = "") -> bytes:
    """Return the frame of ``record`` for the node's viewers; empty if it has none."""
    if isinstance(record.event, Condensed):
        return frames.to_frame(frames.to_message(f"Earlier events of {internal_id} are no longer kept"))
    frame = to_state_frame(record)
    if frame is None:
        return b""
    named = {"display_name": display_name} if display_name else {}
    return frames.to_frame({**frame, "internal_id": internal_id, **named})


def to_stretch(console: Console, after: int, until: int) -> tuple[bytes, int]:
    """Return the frames of the next lines over ``after`` up to ``until``, and the last one's number.

    A ``gap`` comes first if the console has lost some of them. ``until`` must be over ``after``.
    """
    stretch = console.lines.read(after, min(LINES_A_FRAME, until - after), FRAME, WITHIN)
    first = min(stretch.first, until + 1)
    items = stretch.items[: until + 1 - first]
    framed = frames.to_frame(frames.to_gap(first - after - 1, first)) if first > after + 1 else b""
    if items:
        framed += frames.to_frame(frames.to_console(items, first, stretch.times[0]))
    return framed, first + len(items) - 1
