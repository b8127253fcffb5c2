"""The console of a container: its newest lines, its stdin, the size of its terminal.

It lives as long as the container's place in the system, through every run and every incarnation of the actor;
``watch`` feeds it. Writing to it never waits: a reader that is slow misses lines and is told how many.

At most ``INPUTS`` lines of input wait for a process that doesn't read; at that bound ``send_nowait`` raises
``InputFull``.
"""

from collections import deque
from collections.abc import Callable

import attrs
import trio

from actors.container.lines import LineSplitter, to_plain
from actors.kernel.ephemeral import Ring, Wake

LINES = 10_000
SIZE = 1024 * 1024
NOTES = 100
INPUTS = 64
SEAMS = 64
WORDS = 20
LONGEST_WORD = 500


class InputClosed(Exception):  # noqa: N818 - names the state
    """There is no process that could read the input."""


class InputFull(Exception):  # noqa: N818 - names the state
    """The process does not read its input, and enough of it waits."""


@attrs.frozen
class Seam:
    """Where the event at ``position`` stands among the output: after so many lines and notes."""

    position: int
    line: int
    note: int


@attrs.define(eq=False)
class Console:
    """One container's console.

    ``lines`` are what the process printed, ``notes`` what lightd has to say about it to whoever looks on.
    ``read_at`` is when output was last read (Unix seconds), None before the first.
    """

    wake: Wake
    lines: Ring[str] = attrs.field(init=False)
    notes: Ring[str] = attrs.field(init=False)
    reading: trio.Lock = attrs.field(factory=trio.Lock)
    read_at: float | None = None
    columns: int = 120
    rows: int = 30
    resized: Wake = attrs.field(factory=Wake)
    _splitter: LineSplitter = attrs.field(factory=LineSplitter)
    _input: deque[bytes] | None = None
    _input_arrived: Wake = attrs.field(factory=Wake)
    _life: "Life | None" = None
    _seams: deque[Seam] = attrs.field(factory=lambda: deque(maxlen=SEAMS))

    def __attrs_post_init__(self) -> None:
        """Share one wake among all that a viewer waits for."""
        self.lines = Ring(LINES, SIZE, len, self.wake)
        self.notes = Ring(NOTES, SIZE, len, self.wake)

    def life(self, run: int, engine_id: str) -> "Life":
        """Return what is known of the console in ``run``, of an earlier one nothing any more."""
        known = self._life
        if known is not None and (known.run, known.engine_id) == (run, engine_id):
            return known
        life = Life(run, engine_id, after=self.lines.last)
        if known is None or run >= known.run:
            self._life = life
        return life

    def write(self, chunk: bytes) -> list[str]:
        """Append what the process printed, and return the lines that it completed."""
        lines = self._splitter.feed(chunk)
        self.lines.push(lines)
        return lines

    def finish(self) -> None:
        """Append an unfinished last line: nothing will be added to it."""
        self.lines.push(self._splitter.flush())

    def say(self, note: str) -> None:
        """Tell whoever looks on."""
        self.notes.push([note])

    def mark(self, position: int) -> None:
        """Note that everything up to the event at ``position`` has happened by now."""
        if not self._seams or self._seams[-1].position < position:
            self._seams.append(Seam(position, self.lines.last, self.notes.last))

    def seam(self, position: int) -> Seam:
        """Return where the event at ``position`` stands; for an old one that is the latest it can be."""
        found = Seam(position, self.lines.last, self.notes.last)
        for seam in reversed(self._seams):
            if seam.position < position:
                break
            found = seam
        return found

    def last_words(self, life: "Life") -> tuple[str, ...]:
        """Return the last that was printed in ``life``, as a person reads it, in short."""
        last = self.lines.read(max(life.after, self.lines.last - WORDS), WORDS)
        return tuple(to_plain(line)[:LONGEST_WORD] for line in last.items)

    @property
    def partial(self) -> str:
        """The unfinished last line."""
        return self._splitter.partial

    def open_input(self) -> None:
        """Take input from now on; what nobody read is forgotten."""
        self._input = deque()

    def close_input(self) -> None:
        """Take no more input; what nobody read is forgotten."""
        self._input = None

    def send_nowait(self, data: bytes) -> None:
        """Queue ``data`` for the process's stdin; raises ``InputClosed`` or ``InputFull``."""
        if self._input is None:
            msg = "the container is not running"
            raise InputClosed(msg)
        if len(self._input) >= INPUTS:
            msg = "the container does not read its input"
            raise InputFull(msg)
        self._input.append(data)
        self._input_arrived.notify()

    async def next_input(self) -> bytes:
        """Return the next piece of input, waiting for it."""
        while not self._input:
            await self._input_arrived.wait()
        return self._input.popleft()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal, now and for the runs that follow."""
        self.columns, self.rows = columns, rows
        self.resized.notify()


@attrs.define(eq=False)
class Life:
    """One run's console, as one container has it.

    ``attached`` once it is read, ``up`` once the process was started, ``drained`` at the end. ``ready`` is
    true once the start pattern was seen. What it prints comes ``after`` that line.
    """

    run: int
    engine_id: str
    after: int = 0
    ready: bool = False
    attached: trio.Event = attrs.field(factory=trio.Event)
    up: trio.Event = attrs.field(factory=trio.Event)
    drained: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Readiness:
    """Looks for the start pattern in what is printed; ``seen`` stays true once it was found."""

    matches: Callable[[str], bool] | None
    seen: bool = False

    def look(self, lines: list[str], partial: str) -> bool:
        """Return true the first time that one of ``lines``, or the unfinished one, matches."""
        if self.matches is None or self.seen:
            return False
        self.seen = any(map(self.matches, map(to_plain, lines))) or (
            bool(partial) and self.matches(to_plain(partial))
        )
        return self.seen
