"""Copies every console to the console log in the background, so that no reader of a console waits for a disk.

The consoles' ring buffers are the queue. A console with new lines is marked as due; after ``FLUSH_INTERVAL``
seconds, or as soon as ``FLUSH_LINES`` of its lines or ``FLUSH_BYTES`` of its text wait, everything new on all
consoles is written in one call. If the log is slower than a console, the ring drops its oldest lines, as for
every slow reader, and the log records how many are missing. A write that fails is retried; the consoles go on
meanwhile.

Consoles that print without end would keep this task and the disk busy all the time. After each write it
pauses in proportion to what it has written, at ``LINE_RATE`` lines and ``RATE`` bytes a second for all
consoles.

A line number is never used twice. If the log cannot be read at the start, the numbers continue at the current
time in milliseconds, which is higher than any number that a console can have reached.
"""

import logging
from collections.abc import Callable, Collection, Sequence

import attrs
import trio

from actors.container.console.console import Console
from actors.container.console.log import ConsoleLog, Entry, InstallLog, LogUnavailable, Numbered, Tail
from actors.kernel.backoff import Backoff
from actors.kernel.turns import Turns

logger = logging.getLogger(__name__)

FLUSH_INTERVAL = 0.25
FLUSH_BYTES = 128 * 1024
FLUSH_LINES = 1_000
LINE_RATE = 100_000
RATE = 20 * 1024 * 1024
LONGEST_REST = 2.0
"""Seconds of a pause at most: so long the lines of a quiet console wait, whatever the others print."""
STEP = 500
"""Lines that are prepared for the log in one step of the loop; each console adds ``QUIET`` to them."""
QUIET = 10
GROUP = 4 * 1024 * 1024
"""Bytes that are written in one call; a single console may have more."""
RESTORE_TIMEOUT = 5.0
BACKOFF = Backoff(0.5, 10.0)
SHUTDOWN_FLUSH = 2.0


@attrs.define(eq=False)
class LogWriter:
    """Implements ``console.Keeper``; ``run`` is its task."""

    log: ConsoleLog
    clock: Callable[[], float]
    turns: Turns = attrs.field(factory=Turns)
    _rest: float = 0.0
    _known: set[Console] = attrs.field(factory=set)
    _due: dict[Console, None] = attrs.field(factory=dict)
    _to_remove: set[str] = attrs.field(factory=set)
    _woken: trio.Event = attrs.field(factory=trio.Event)
    _full: trio.Event = attrs.field(factory=trio.Event)
    _copying: trio.Lock = attrs.field(factory=trio.Lock)
    _failing: bool = False

    async def restore(self, console: Console) -> Tail:
        """Return the end of the log; if it can't be read, an empty one above all numbers in use."""
        self._known.add(console)
        reason: object = f"no answer within {RESTORE_TIMEOUT:g} seconds"
        with trio.move_on_after(RESTORE_TIMEOUT):
            try:
                await self._remove(console.internal_id)
                return await self.log.restore(console.internal_id)
            except LogUnavailable as fault:
                reason = fault
        logger.warning("the console log of %s cannot be read: %s", console.internal_id, reason)
        return Tail(last=int(self.clock() * 1000))

    def note(self, console: Console) -> None:
        """Mark the console as due: what is new on it is written later."""
        if console not in self._due:
            self._due[console] = None
            self._woken.set()
        waiting = console.lines.last - console.kept
        if waiting >= FLUSH_LINES or console.lines.volume - console.kept_volume >= FLUSH_BYTES:
            self._full.set()

    async def read(self, console: Console, before: int, limit: int) -> Sequence[Numbered]:
        """Return the last ``limit`` lines of the log before number ``before``; none if it can't be read."""
        try:
            return await self.log.read(console.internal_id, before, limit)
        except LogUnavailable as fault:
            logger.warning("the console log of %s cannot be read: %s", console.internal_id, fault)
            return ()

    async def keep_installation(self, console: Console, log: InstallLog) -> None:
        """Store the log of an installation; if that is not possible, it is only logged."""
        try:
            await self.log.keep_installation(console.internal_id, log)
        except LogUnavailable as fault:
            logger.warning("the install log of %s cannot be written: %s", console.internal_id, fault)

    async def installation(self, console: Console) -> InstallLog | None:
        """Return the stored log of the last installation, None if there is none or it can't be read."""
        try:
            return await self.log.installation(console.internal_id)
        except LogUnavailable as fault:
            logger.warning("the install log of %s cannot be read: %s", console.internal_id, fault)
            return None

    def discard(self, console: Console) -> None:
        """Remove the log of a console, and write no more of it."""
        self._due.pop(console, None)
        self._known.discard(console)
        console.keeper = None
        self.discard_old(console.internal_id)

    def discard_old(self, internal_id: str) -> None:
        """Remove the log of an earlier container with this id."""
        self._to_remove.add(internal_id)
        self._woken.set()

    async def sweep(self, keep: Collection[str]) -> None:
        """Remove every log but those of ``keep``, left by deletions that were interrupted."""
        try:
            await self.log.sweep(keep)
        except LogUnavailable as fault:
            logger.warning("old console logs could not be removed: %s", fault)

    async def run(self) -> None:
        """Write what is new until cancelled."""
        failures = 0
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            if not self._to_remove:
                with trio.move_on_after(FLUSH_INTERVAL):
                    await self._full.wait()
            self._full = trio.Event()
            if await self.copy():
                failures = 0
                await trio.sleep(self._rest)
            else:
                failures += 1
                await trio.sleep(BACKOFF.delay(failures))

    async def flush_at_shutdown(self) -> None:
        """Write what is new, and unfinished lines, within ``SHUTDOWN_FLUSH`` seconds, although cancelled."""
        with trio.move_on_after(SHUTDOWN_FLUSH, shield=True):
            await self.copy()
            if entries := [entry for console in self._known if (entry := _to_unfinished(console))]:
                await self.log.append(entries)

    async def copy(self) -> bool:
        """Write what is new and remove discarded logs; return false if some of it failed."""
        async with self._copying:
            due, self._due = self._due, {}
            try:
                failed = await self._copy(list(due))
            except trio.Cancelled:  # ``flush_at_shutdown`` writes them
                self._due |= {console: None for console in due if console.keeper is not None}
                raise
        for internal_id in list(self._to_remove):
            try:
                await self._remove(internal_id)
            except LogUnavailable as fault:
                failed[internal_id] = str(fault)
                self._woken.set()
        self._report(failed)
        return not failed

    async def _copy(self, due: Sequence[Console]) -> dict[str, str]:
        """Write what is new; return the ids of consoles for which that failed, with the reasons."""
        failed: dict[str, str] = {}
        group: list[Console] = []
        size = 0
        self._rest = 0.0
        for console in due:
            group.append(console)
            size += console.lines.volume - console.kept_volume
            if size > GROUP:
                failed |= await self._copy_group(group)
                group, size = [], 0
        return failed | await self._copy_group(group)

    async def _copy_group(self, group: Sequence[Console]) -> dict[str, str]:
        entries: list[Entry] = []
        seen: dict[Console, tuple[int, int, str]] = {}
        work = lines = 0
        for console in group:
            if work > STEP:
                await self.turns.next()
                work = 0
            if console.keeper is None:
                continue  # discarded meanwhile
            found = to_entries(console)
            entries += found
            seen[console] = (console.lines.last, console.lines.volume, console.run_starts[-1].life)
            count = sum(len(entry.lines) for entry in found)
            work += count + QUIET
            lines += count
        failed = dict(await self.log.append(entries)) if entries else {}
        copied = sum(volume - console.kept_volume for console, (_, volume, _) in seen.items())
        self._rest = min(self._rest + max(lines / LINE_RATE, copied / RATE), LONGEST_REST)
        for console, (last, volume, life) in seen.items():
            if console.keeper is None:
                continue  # as above
            if console.internal_id in failed:
                self.note(console)
            else:
                _note_copied(console, last, volume, life)
        return failed

    async def _remove(self, internal_id: str) -> None:
        if internal_id in self._to_remove:
            async with self._copying:
                if internal_id in self._to_remove:
                    await self.log.remove(internal_id)
                    self._to_remove.discard(internal_id)

    def _report(self, failed: dict[str, str]) -> None:
        if failed and not self._failing:
            internal_id, reason = next(iter(failed.items()))
            logger.warning("the console log of %s cannot be written and is retried: %s", internal_id, reason)
        elif self._failing and not failed:
            logger.info("console logs are written again")
        self._failing = bool(failed)


def to_entries(console: Console) -> list[Entry]:
    """Return the lines of a console that are not in the log yet, one entry for each life."""
    stretch = console.lines.read(console.kept, console.lines.items)
    entries, missed, begins = [], stretch.missed, console.kept
    read_at = console.read_at or 0.0
    ends = [start.line for start in console.run_starts][1:]
    for start, end in zip(console.run_starts, [*ends, stretch.last], strict=True):
        first = max(begins + 1, stretch.first)
        part = slice(first - stretch.first, max(end + 1 - stretch.first, 0))
        lines, times = stretch.items[part], stretch.times[part]
        if lines or (start is console.run_starts[-1] and start.life != console.kept_life):
            entries.append(Entry(console.internal_id, start.life, read_at, first, lines, missed, times))
            missed = 0
        begins = max(begins, end)
    return entries


def _to_unfinished(console: Console) -> Entry | None:
    """Return the unfinished line of a console, None if there is none or the line before it is not stored."""
    text, last = console.unfinished, console.lines.last
    if not text or console.kept != last:
        return None
    life, read_at = console.run_starts[-1].life, console.read_at or 0.0
    return Entry(console.internal_id, life, read_at, last + 1, (), unfinished=text)


def _note_copied(console: Console, last: int, volume: int, life: str) -> None:
    console.kept, console.kept_volume, console.kept_life = last, volume, life
    while len(console.run_starts) > 1 and console.run_starts[1].line <= last:
        console.run_starts.popleft()
