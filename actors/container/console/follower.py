"""Follows the console of one run to its end.

The order of events: the follower attaches before the start is requested, so that every byte is read. When the
stream ends, it waits for the engine to finish with the process, so that an exit is reported after the last
line of output and without a pause. The end of the stream alone proves nothing: if the process still runs
after ``END_TIMEOUT``, the follower attaches again, and its ``Reader`` catches up on what was printed since.

The exit can be reported by another task and recorded before the console was read, while this task waited for
the engine or for the journal. Then the follower reads the engine's log to its end when it is cancelled.

The follower never waits for readers: the output goes into a ring buffer, and neither slow readers nor
unread input slow it or the process down.
"""

from collections.abc import Callable, Container

import attrs
import trio

from actors.container.console.console import Console, Matcher, Readiness
from actors.container.console.lines import Block, to_block, to_plain, to_slices
from actors.container.console.merge import to_log_lines
from actors.container.console.reader import Reader
from actors.container.console.runs import LiveRun
from actors.container.effects import WatchConsole
from actors.container.engine import Attachment, Engine, EngineUnavailable, Missing, Snapshot
from actors.container.hints import HINTS, TEXTS, find
from actors.container.messages import AbsenceReported, HintReported, Inspected, Message, ReadinessReported
from actors.kernel.backoff import Backoff
from actors.kernel.mailbox import Ref

Ended = Inspected | AbsenceReported

SLICE = 32 * 1024
"""Bytes that are searched for the start pattern in one step."""
SEARCH_LIMIT = 0.25
"""Seconds of processor that the search of one chunk may take: the process waits for it, and so does a kill.
A pattern that is so slow with what is printed is not looked for in the rest of the chunk."""
SHORT = 4 * 1024
"""Bytes of output that are processed without waiting for a turn."""
GATHER_DELAY = 0.025
"""Seconds between searches of a long unfinished line, which each begin at its start."""

FREE = 5_000
"""Work of one chunk, as ``Console.drawn`` counts it, without a pause."""
REST, LONGEST_REST = 2e-6, 0.25
"""Seconds of pause for one unit of work: about what it takes, so that a program that draws over its lines
without end uses half of the time; and the longest pause."""

RESIZE_INTERVAL = 0.1
"""Seconds between two calls of the engine for the size of a terminal, however often a page is resized."""

REST_TIMEOUT = 2.0
END_TIMEOUT = 1.0
"""Seconds from the end of a stream within which its process ends; otherwise the stream is opened again."""

BACKOFF = Backoff(0.1, 10.0)


@attrs.define(eq=False)
class Follower:
    """Follows the console of one run.

    A snapshot in which the process started at ``effect.previous`` is of the run before this one, and ignored.
    While ``effect.awaited``, the start pattern and the start texts are looked for in everything that the run
    printed.
    """

    engine: Engine
    console: Console
    effect: WatchConsole
    live: LiveRun
    compile_pattern: Callable[[str | None, tuple[str, ...]], Matcher]
    clock: Callable[[], float]
    _fresh: bool = attrs.field(init=False)
    _reader: Reader = attrs.field(init=False)
    _hints: Readiness = attrs.field(init=False, factory=lambda: Readiness(None))

    def __attrs_post_init__(self) -> None:
        """Make the reader of this run."""
        self._fresh = self.live.fresh
        engine_id = self.effect.engine_id
        self._reader = Reader(self.engine, self.console, engine_id, self.live.life, self.clock)

    async def run(self, ref: Ref[Message]) -> Message:
        """Read until the process has ended; return what the engine reports then, after ``up``."""
        before = self.console.run_starts[-1].life
        try:
            return await self._run(ref)
        except trio.Cancelled:
            with trio.move_on_after(REST_TIMEOUT, shield=True):
                await self._read_rest({before, self.live.life})
            raise

    async def _run(self, ref: Ref[Message]) -> Message:
        effect = self.effect
        looks = effect.awaited and (effect.pattern is not None or bool(effect.texts))
        matcher = self.compile_pattern(effect.pattern, effect.texts) if looks else None
        readiness = Readiness(matcher, self.live.ready)
        if (
            self.live.ready and self.effect.awaited
        ):  # the incarnation that it was reported to may not have recorded it
            await ref.tell(ReadinessReported(self.effect.run))
        if effect.hints:
            self._hints = Readiness(self.compile_pattern(None, TEXTS))
        async with self.console.reading:
            ended = await self._read_to_end(readiness, ref)
            self._reader.end()
        self.live.attached.set()
        self.live.drained.set()
        await self.live.up.wait()
        return attrs.evolve(ended, tail=self.console.tail_of(self.live.life))

    async def _read_rest(self, lives: Container[str]) -> None:
        """Read the rest of a run that has ended from the log, unless a life outside ``lives`` has begun."""
        started_at = self.live.started_at
        if not self.live.ended or started_at is None or self.live.drained.is_set():
            return
        async with self.console.reading:
            if self.console.run_starts[-1].life in lives:
                try:
                    await self._reader.make_up(started_at, self.clock())
                except (EngineUnavailable, Missing):
                    return
                self._reader.end()
                self.live.drained.set()

    async def _read_to_end(self, readiness: Readiness, ref: Ref[Message]) -> Ended:
        failures = 0
        while True:
            began = trio.current_time()
            try:
                await self._read(readiness, ref)
                ended = await self._ask()
            except Missing:
                return AbsenceReported(self.effect.engine_id)
            except EngineUnavailable:
                ended = None
            if ended is not None:
                return ended
            self._fresh = self.live.followed = False
            failures = 1 if trio.current_time() - began > BACKOFF.longest else failures + 1
            await trio.sleep(BACKOFF.delay(failures))

    async def _read(self, readiness: Readiness, ref: Ref[Message]) -> None:
        asked_at = self.clock()
        async with self.engine.attach(self.effect.engine_id) as attachment:
            try:
                if self._fresh:
                    self._reader.begin()
                elif await self._make_up(asked_at, readiness, ref):
                    return
                self.console.open_input()
                self.live.followed = True
                self.live.attached.set()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._feed, attachment)
                    nursery.start_soon(self._size)
                    await self._follow(attachment, readiness, ref)
                    nursery.cancel_scope.cancel()
            finally:
                self.console.close_input()

    async def _make_up(self, asked_at: float, readiness: Readiness, ref: Ref[Message]) -> bool:
        """Read what was printed before the attachment; return true if no more output follows.

        The stream of a process that ended before the attachment never ends.
        """
        engine_id = self.effect.engine_id
        snapshot = await self.engine.inspect(engine_id)
        if snapshot is None:
            raise Missing(engine_id)
        if snapshot.started_at is None or snapshot.started_at == self.effect.previous:
            self._reader.begin()
            return False
        if self._is_another(snapshot):
            return True
        seen = self.effect.awaited and bool(self.console.of_this_life)
        lines = await self._reader.make_up(snapshot.started_at, asked_at)
        if seen:  # the readiness may not have been recorded
            backlog = await self.engine.backlog(engine_id, snapshot.started_at)
            lines = [each.text for each in await self.console.turns.run(to_log_lines(backlog))]
        await self._look_for_readiness(to_block(lines), readiness, ref)
        return not snapshot.running

    async def _follow(self, attachment: Attachment, readiness: Readiness, ref: Ref[Message]) -> None:
        try:
            while chunk := await attachment.receive():
                if len(chunk) > SHORT:
                    await self.console.turns.next()
                drawn = self.console.drawn
                block = await self._reader.take(chunk)
                if self.console.drawn - drawn > FREE:
                    await trio.sleep(min((self.console.drawn - drawn) * REST, LONGEST_REST))
                await self._look_for_readiness(block, readiness, ref)
                if self._hints.looks and block.count:
                    await self._look_for_hints(block, ref)
                if readiness.looks and len(self.console.unfinished) > SHORT:
                    await trio.sleep(GATHER_DELAY)
        except EngineUnavailable:
            return  # the end of the stream, however it comes, proves nothing

    async def _look_for_readiness(self, block: Block, readiness: Readiness, ref: Ref[Message]) -> None:
        if readiness.looks and await self._look(block, readiness):
            self.live.ready = True
            await ref.tell(ReadinessReported(self.effect.run))

    async def _look_for_hints(self, block: Block, ref: Ref[Message]) -> None:
        """Report the hints in finished lines that were not reported in this run."""
        for lines in to_slices(block.data, SLICE):
            if await self._hints.look(lines):
                new = [name for name in find(to_plain(lines)) if name not in self.live.hinted]
                self.live.hinted.update(new)
                for name in new:
                    await ref.tell(HintReported(self.effect.run, name))
                self._hints.seen = len(self.live.hinted) == len(HINTS)

    async def _look(self, block: Block, readiness: Readiness) -> bool:
        """Return true if one of the lines, or the unfinished one, matches."""
        slices = [*to_slices(block.data, SLICE)] if block.count else []
        if unfinished := self.console.unfinished:
            slices.append(unfinished.encode())
        spent = readiness.seconds
        for lines in slices:
            if len(lines) > SHORT:
                await self.console.turns.next()
            if await readiness.look(lines):
                return True
            if readiness.seconds - spent > SEARCH_LIMIT:
                break
        return False

    async def _feed(self, attachment: Attachment) -> None:
        try:
            while True:
                piece = await self.console.next_input()
                try:
                    await attachment.send(piece.data)
                    piece.written.set(None)
                finally:
                    piece.drop()
        except EngineUnavailable:
            self.console.close_input()

    async def _size(self) -> None:
        await self.live.up.wait()
        shown: tuple[int, int] | None = None
        while True:
            size = (self.console.columns, self.console.rows)
            if size == shown:
                await self.console.resized.wait()
                continue
            try:
                await self.engine.resize(self.effect.engine_id, *size)
            except EngineUnavailable:
                return
            shown = size
            await trio.sleep(RESIZE_INTERVAL)

    async def _ask(self) -> Ended | None:
        """Return how the process ended according to the engine; None if it still runs."""
        engine_id = self.effect.engine_id
        with trio.move_on_after(END_TIMEOUT) as patience:
            snapshot = await self.engine.wait_end(engine_id)
        if patience.cancelled_caught:
            snapshot = await self.engine.inspect(engine_id)
        if snapshot is None:
            return AbsenceReported(engine_id)
        ended = not snapshot.running and snapshot.started_at not in (None, self.effect.previous)
        return Inspected(snapshot) if ended or self._is_another(snapshot) else None

    def _is_another(self, snapshot: Snapshot) -> bool:
        return self.live.started_at not in (None, snapshot.started_at)
