"""The console of a container: its newest lines, its stdin, the size of its terminal.

It exists as long as the container, through every run and every incarnation of the actor; the ``follower``
writes to it. A write never waits: a slow reader misses lines and learns how many.

Its lines are numbered from 1 for as long as the container exists. A ``Keeper`` copies them to a log in the
background and lets the numbers continue after a restart: ``restore`` must come before the first ``write``,
which is why ``reading`` begins with it.

At most ``INPUTS`` lines of input wait for a process that does not read; then ``send_nowait`` raises
``InputFull``. Each line is an ``Input``, whose ``written`` says when it was handed to the console's stream.
Input that waits when the input is closed is dropped, and its ``written`` fails.

Input that comes while the process runs and its console is not attached (after a restart of lightd, or of the
engine's connection) waits in ``send``. The order of events: the state is replayed, and the run is open; input
may come from now on; the follower attaches and reads what was missed from the log; ``open_input``. Instead of
the last step the run can end, and the input is refused as that of a container that does not run; or the time
is over; or the sender is cancelled, and nothing was sent.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import attrs
import trio

from actors.container.console.lines import LONGEST, Block, LineSplitter, to_block, to_plain, to_texts
from actors.container.console.log import TAIL, Installing, InstallLog, Numbered, Tail, to_time
from actors.container.console.runs import LiveRun, Runs
from actors.container.console.screen import REDRAW, draw
from actors.container.console.scrollback import Lines, Scrollback
from actors.kernel.ephemeral import Ring, Wake
from actors.kernel.promise import Promise
from actors.kernel.steps import Steps, run
from actors.kernel.turns import Turns

LINES = 10_000
SIZE = 1024 * 1024
NOTES = 100
INPUTS = 64
MARKERS = 64
TAIL_LINES = 20
LONGEST_TAIL_LINE = 500
LONGEST_NOTE = 4000
STEP = 500
"""Lines that are converted to texts in one step."""


UNFINISHED_DELAY = 0.12
"""Seconds from a change of the unfinished line until it is shown: its end may come at once. So a program that
changes it all the time, such as a progress bar, is shown eight times a second."""

INPUT_TIMEOUT = 5.0
"""Seconds that input waits for the console of a running process to be attached, and then to be written."""
UNREAD = "the container does not read its input"


class InputClosed(Exception):  # noqa: N818 - names the state
    """There is no process to read the input, or its console is not attached."""


class InputFull(Exception):  # noqa: N818 - names the state
    """The process does not read its input, and ``INPUTS`` lines wait already."""


@attrs.frozen(eq=False)
class Input:
    """A piece of input. ``written`` is set once it was written; ``InputClosed`` if it is dropped."""

    data: bytes
    written: Promise[None] = attrs.field(factory=Promise)

    def drop(self) -> None:
        """Let ``written`` fail, unless it was written."""
        self.written.fail(InputClosed("the console was closed before the input was written"))


@attrs.frozen
class OrderingMarker:
    """The place of the event at ``position`` in the output: after so many lines and notes."""

    position: int
    line: int
    note: int


@attrs.frozen
class RunStart:
    """The start of one life of a process on the console: its lines come after number ``line``."""

    life: str
    line: int


class Keeper(Protocol):
    """Stores the lines of a console longer than its memory does."""

    async def restore(self, console: "Console") -> Tail:
        """Return the end of what was stored."""

    def note(self, console: "Console") -> None:
        """Store what is new on the console, later."""

    async def read(self, console: "Console", before: int, limit: int) -> Sequence[Numbered]:
        """Return the last ``limit`` stored lines before number ``before``."""

    async def keep_installation(self, console: "Console", log: InstallLog) -> None:
        """Store the log of an installation in place of the one before."""

    async def installation(self, console: "Console") -> InstallLog | None:
        """Return the stored log of the last installation."""


class Matcher(Protocol):
    """A compiled start pattern: returns whether one of the joined lines matches.

    ``seconds`` is the processor time that its searches have taken.
    """

    seconds: float

    def __call__(self, lines: bytes, /) -> bool: ...

    def is_quick(self, size: int) -> bool:
        """Return true if a call with ``size`` bytes takes no noticeable time."""

    async def search(self, lines: bytes) -> bool:
        """Return the result of a call, made outside the event loop."""


@attrs.define(eq=False)
class Console:
    """One container's console.

    ``lines`` are the output of the process, ``notes`` are lightd's messages to the clients. ``read_at`` is
    when output was last read (Unix seconds), None before the first. ``run_starts`` are the lives of which the
    keeper may not have everything yet, the present one last; it has all lines up to ``kept``. ``trouble`` is
    why the engine does not do what the container waits for, empty if it does.

    The unfinished line is the one after the newest of ``lines``. ``head`` is its beginning if that was read
    over an earlier attachment; ``held`` is true while lines before it are not on the console yet.
    ``unfinished_edition`` counts its changes; on the clock of Trio, ``unfinished_began`` is when it began,
    and ``unfinished_since`` is when the oldest change came that no viewer was sent; both can be None.
    """

    wake: Wake
    internal_id: str = ""
    keeper: Keeper | None = None
    turns: Turns = attrs.field(factory=Turns)
    lines: Scrollback = attrs.field(init=False)
    notes: Ring[str] = attrs.field(init=False)
    read_at: float | None = None
    run_starts: deque[RunStart] = attrs.field(factory=lambda: deque([RunStart("", 0)], maxlen=MARKERS))
    kept: int = 0
    kept_volume: int = 0
    kept_life: str = ""
    columns: int = 120
    rows: int = 30
    resized: Wake = attrs.field(factory=Wake)
    runs: Runs = attrs.field(factory=Runs)
    trouble: str = ""
    head: str = ""
    held: bool = False
    unfinished_edition: int = 0
    unfinished_began: float | None = None
    unfinished_since: float | None = None
    installing: Installing | None = None
    _splitter: LineSplitter = attrs.field(factory=LineSplitter)
    _reading: trio.Lock = attrs.field(factory=trio.Lock)
    _restoring: trio.Lock = attrs.field(factory=trio.Lock)
    _reading_end: trio.Lock = attrs.field(factory=trio.Lock)
    _restored: bool = False
    _input: deque[Input] | None = None
    _overdue: LiveRun | None = None
    _input_arrived: Wake = attrs.field(factory=Wake)
    _markers: deque[OrderingMarker] = attrs.field(factory=lambda: deque(maxlen=MARKERS))

    def __attrs_post_init__(self) -> None:
        """Share one wake among everything that a viewer waits for."""
        self.lines = Scrollback(LINES, SIZE, self.wake)
        self.notes = Ring(NOTES, SIZE, len, self.wake)

    # What was kept

    @property
    def reading(self) -> AbstractAsyncContextManager[None]:
        """The right to write, for one task at a time; the lines continue the numbers of the log."""
        return self._read()

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[None]:
        async with self._reading:
            await self.restore()
            yield

    async def restore(self) -> None:
        """Load the numbers and the last lines from before this daemon started, once."""
        if not self._restored:
            async with self._restoring:
                await self._restore_once()

    async def _restore_once(self) -> None:
        if not self._restored and self.keeper is not None:
            tail = await self.keeper.restore(self)
            lines = [await self.turns.run(draw(line, LONGEST)) for line in tail.lines]
            self.lines.resume(Lines(tail.last - len(lines) + 1, lines, times=tail.times))
            self.run_starts = deque([RunStart(tail.life, tail.begins)], maxlen=MARKERS)
            self.read_at, self.kept, self.kept_life = tail.read_at, tail.last, tail.life
            self.kept_volume = self.lines.volume
            self.head = tail.unfinished
            self._note_unfinished(began=True)
            self._restored = True

    async def end(self, limit: int) -> list[Numbered]:
        """Return the last ``limit`` lines with their numbers, including stored ones."""
        await self.restore()
        async with self._reading_end:
            return await self._end(limit)

    async def _end(self, limit: int) -> list[Numbered]:
        first = max(self.lines.last - limit + 1, self.lines.first)
        found: list[Numbered] = []
        step = 0
        for kept in self.lines.keep(limit):
            step += kept.block.count
            if step > STEP:
                await self.turns.next()
                step = kept.block.count
            found += [Numbered(*line, kept.at) for line in enumerate(to_texts(kept.block), kept.first)]
        if found and found[0].number < first:
            del found[: first - found[0].number]
        return [*await self.older(first, limit - len(found)), *found]

    async def older(self, before: int, limit: int) -> Sequence[Numbered]:
        """Return the last ``limit`` stored lines before number ``before``."""
        if self.keeper is None or limit <= 0 or before <= 1:
            return ()
        stored = list(await self.keeper.read(self, before, limit))
        for index, line in enumerate(stored):  # an earlier version stored lines as they came
            if not index % STEP:
                await self.turns.next()
            if REDRAW.search(line.text.encode("utf-8", "replace")):
                stored[index] = line._replace(text=await self.turns.run(draw(line.text, LONGEST)))
        return stored

    # What is printed

    def begin(self, life: str) -> None:
        """Begin ``life``: the lines from now on belong to it. No effect if it has begun."""
        if self.run_starts[-1].life != life:
            self.finish()
            self.run_starts.append(RunStart(life, self.lines.last))
            self._note()

    @property
    def of_this_life(self) -> Sequence[str]:
        """The last lines of the present life."""
        return self.lines.tail(min(TAIL, self.lines.last - self.run_starts[-1].line)).items

    def write(self, chunk: bytes) -> Block:
        """Append what the process printed, and return the lines that it completed."""
        block = run(self.split(chunk))
        self.put(block)
        return block

    def split(self, chunk: bytes) -> Steps[Block]:
        """Return the lines that ``chunk`` completes, not on the console yet."""
        return self._splitter.steps(chunk)

    def put(self, block: Block, at: float | None = None) -> None:
        """Put whole lines on the console, printed at ``at`` (Unix seconds), and note the one after them."""
        if block.count:
            self.lines.put(block, at)
            self._note()
        self._note_unfinished(began=bool(block.count))

    def append(self, lines: Sequence[str], times: Sequence[float | None] = ()) -> None:
        """Put whole lines on the console, which were printed at ``times``."""
        if lines:
            self.lines.push(lines, times)
            self._note()
        self._note_unfinished(began=bool(lines))

    def finish(self) -> None:
        """Append the unfinished last line, at the end of the output."""
        rest = to_texts(self._splitter.flush())
        head, self.head, self.held = self.head, "", False
        if head:
            rest = [head + "".join(rest[:1]), *rest[1:]]
        self.put(to_block(rest), self.unfinished_at)

    def take_unfinished(self) -> str:
        """Remove and return the unfinished last line."""
        unfinished = self.head + "".join(to_texts(self._splitter.flush()))
        self.head = ""
        return unfinished

    # The unfinished line

    @property
    def unfinished(self) -> str:
        """The last line as far as it has come; empty if it has not begun, or its number is not known."""
        return "" if self.held else self.head + self._splitter.unfinished

    def _note_unfinished(self, *, began: bool) -> None:
        """Note a change of the unfinished line, which may have begun with it; wake the viewers once."""
        if not self.head and not self._splitter.has_begun:
            self.unfinished_began = self.unfinished_since = None
            return
        self.unfinished_edition += 1
        now = trio.current_time()
        if began or self.unfinished_began is None:
            self.unfinished_began = self.unfinished_since = now
            self.wake.notify()
        elif self.unfinished_since is None:
            self.unfinished_since = now
            self.wake.notify()

    def to_shown(self) -> Numbered | None:
        """Return the unfinished line if it has waited for its end for ``UNFINISHED_DELAY``, else None."""
        began = self.unfinished_began
        if self.held or began is None or trio.current_time() < began + UNFINISHED_DELAY:
            return None
        return Numbered(self.lines.last + 1, self.unfinished, self.unfinished_at)

    @property
    def unfinished_at(self) -> float | None:
        """When the unfinished line was last changed (Unix seconds), None if that is not known."""
        return None if self.read_at is None else to_time(self.read_at)

    def _note(self) -> None:
        if self.keeper is not None:
            self.keeper.note(self)

    def say(self, note: str) -> None:
        """Send a message to the clients of this console."""
        self.notes.push([note[:LONGEST_NOTE]])

    def mark(self, position: int) -> None:
        """Note that the output so far came before the event at ``position``."""
        if not self._markers or self._markers[-1].position < position:
            self._markers.append(OrderingMarker(position, self.lines.last, self.notes.last))

    def marker(self, position: int) -> OrderingMarker:
        """Return the place of the event at ``position``; for an old one, the latest possible place."""
        found = OrderingMarker(position, self.lines.last, self.notes.last)
        for each in reversed(self._markers):
            if each.position < position:
                break
            found = each
        return found

    def tail_of(self, life: str) -> tuple[str, ...]:
        """Return the last lines that were printed in ``life``, without control sequences and shortened."""
        first, end = 0, self.lines.last
        for start in reversed(self.run_starts):
            if start.life == life:
                first = start.line
                break
            end = start.line
        else:
            return ()
        last = self.lines.read(max(first, end - TAIL_LINES), min(TAIL_LINES, end - first))
        return tuple(_to_tail_line(line) for line in last.items)

    @property
    def drawn(self) -> int:
        """What it has cost so far to draw the lines that the program draws over; see ``screen.Row.work``."""
        return self._splitter.work

    def open_input(self) -> None:
        """Accept input from now on, and drop input that was not read."""
        self.close_input()
        self._input = deque()
        self._overdue = None
        self.wake.notify()

    def close_input(self) -> None:
        """Accept no more input, and drop input that was not read."""
        dropped, self._input = self._input, None
        for piece in dropped or ():
            piece.drop()

    def send_nowait(self, *lines: bytes) -> list[Input]:
        """Queue ``lines`` for the process's stdin, all or none; raises ``InputClosed`` or ``InputFull``."""
        if self._input is None and self.runs.going_on:
            msg = "the console of the container is not attached (yet): try again in a moment"
            raise InputClosed(msg)
        if self._input is None:
            msg = "the container is not running"
            raise InputClosed(msg)
        if len(self._input) + len(lines) > INPUTS:
            raise InputFull(UNREAD)
        pieces = [Input(line) for line in lines]
        self._input.extend(pieces)
        self._input_arrived.notify()
        return pieces

    async def send(self, *lines: bytes) -> list[Input]:
        """As ``send_nowait``, after the console of a run was attached, within ``INPUT_TIMEOUT``.

        If that time has passed once in a run, later lines are refused at once until the console is attached:
        what a viewer sends after them, such as a kill, does not wait for each of them.
        """
        with trio.move_on_after(INPUT_TIMEOUT) as patience:
            while self._input is None and self.runs.going_on not in (None, self._overdue):
                await self.wake.wait()
        if patience.cancelled_caught:
            self._overdue = self.runs.going_on
        return self.send_nowait(*lines)

    async def write_input(self, *lines: bytes) -> None:
        """As ``send``, and wait until all of them were written to the console.

        Raises ``InputFull`` after ``INPUT_TIMEOUT``: what waits then is dropped, and the line that is being
        written may still arrive. A caller that is cancelled drops nothing.
        """
        pieces, written = await self.send(*lines), 0
        try:
            with trio.move_on_after(INPUT_TIMEOUT):
                for piece in pieces:
                    await piece.written.wait()
                    written += 1
                return
        except InputClosed as closed:
            raise InputClosed(f"{closed} ({written} of {len(pieces)} lines were)") from None
        waiting = self._input or deque()
        for piece in pieces:
            if piece in waiting:
                waiting.remove(piece)
        raise InputFull(f"{UNREAD} ({written} of {len(pieces)} lines were written)")

    async def next_input(self) -> Input:
        """Return the next piece of input, waiting for it."""
        while not self._input:
            await self._input_arrived.wait()
        return self._input.popleft()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal, now and for the runs that follow."""
        self.columns, self.rows = columns, rows
        self.resized.notify()


@attrs.define(eq=False)
class Readiness:
    """Looks for the start pattern in what is printed; ``seen`` stays true once it was found."""

    matches: Matcher | None
    seen: bool = False

    @property
    def looks(self) -> bool:
        """True while the pattern was not found."""
        return self.matches is not None and not self.seen

    @property
    def seconds(self) -> float:
        """The processor time that the searches have taken."""
        return 0.0 if self.matches is None else self.matches.seconds

    async def look(self, lines: bytes) -> bool:
        """Return true if one of ``lines``, without control sequences, matches."""
        if self.matches is not None:
            plain = to_plain(lines)
            quick = self.matches.is_quick(len(plain))
            self.seen = self.matches(plain) if quick else await self.matches.search(plain)
        return self.seen


def _to_tail_line(line: str) -> str:
    """Return the beginning of a line without control sequences."""
    return to_plain(line[: 4 * LONGEST_TAIL_LINE].encode()).decode()[:LONGEST_TAIL_LINE]
