"""The one who copies every console to the log, so that no reader of a console waits for a disk.

The rings are his queue. A console that has something new is noted; after ``EVERY`` seconds, or once ``MANY``
of its lines or ``MUCH`` text waits, all that is new on all of them goes to the log in one call. Where the log
is slower than a console the ring drops the oldest lines, as for every slow reader, and the log is told how
many it will never have. A log that can't be written is tried again; meanwhile the consoles go on.

Consoles that never rest would keep him, and the disk, busy for ever. So he rests in proportion to what he has
copied, at ``LINE_RATE`` lines and ``RATE`` bytes a second for all consoles; they go on in their rings.

A number is never given twice. Where the log can't even be read, numbers go on at the clock's milliseconds,
above all that a console can have printed.
"""

import logging
from collections.abc import Callable, Collection, Sequence

import attrs
import trio

from actors.container.console.console import Console
from actors.container.console.log import ConsoleLog, Entry, LogUnavailable, Numbered, Tail
from actors.kernel.backoff import Backoff
from actors.kernel.turns import Turns

logger = logging.getLogger(__name__)

EVERY = 0.25
MUCH = 128 * 1024
MANY = 1_000
LINE_RATE = 100_000
RATE = 20 * 1024 * 1024
LONGEST_REST = 2.0
"""Seconds, the time of a quiet console's lines to the disk however many others never rest."""
STEP = 500
"""Lines that are made ready for the log in one step; a console counts as ``QUIET`` of them."""
QUIET = 10
GROUP = 4 * 1024 * 1024
"""Bytes that go to the log in one call, but for one console's."""
PATIENCE = 5.0
BACKOFF = Backoff(0.5, 10.0)
SHUTDOWN_FLUSH = 2.0


@attrs.define(eq=False)
class LogWriter:
    """See ``console.Keeper``; ``run`` is his one task."""

    log: ConsoleLog
    clock: Callable[[], float]
    turns: Turns = attrs.field(factory=Turns)
    _rest: float = 0.0
    _due: dict[Console, None] = attrs.field(factory=dict)
    _leaving: set[str] = attrs.field(factory=set)
    _woken: trio.Event = attrs.field(factory=trio.Event)
    _much: trio.Event = attrs.field(factory=trio.Event)
    _copying: trio.Lock = attrs.field(factory=trio.Lock)
    _failing: bool = False

    async def restore(self, console: Console) -> Tail:
        """Return the end of what was kept; where that can't be known, one that no number is above."""
        reason: object = "it does not answer"
        with trio.move_on_after(PATIENCE):
            try:
                await self._dismiss(console.internal_id)
                return await self.log.restore(console.internal_id)
            except LogUnavailable as fault:
                reason = fault
        logger.warning("the console log of %s can't be read: %s", console.internal_id, reason)
        return Tail(last=int(self.clock() * 1000))

    def note(self, console: Console) -> None:
        """Have what is new on the console kept, some time."""
        if console not in self._due:
            self._due[console] = None
            self._woken.set()
        waiting = console.lines.last - console.kept
        if waiting >= MANY or console.lines.volume - console.kept_volume >= MUCH:
            self._much.set()

    async def read(self, console: Console, before: int, limit: int) -> Sequence[Numbered]:
        """Return the last kept lines with numbers below ``before``, at most ``limit``; a bad log has none."""
        try:
            return await self.log.read(console.internal_id, before, limit)
        except LogUnavailable as fault:
            logger.warning("the console log of %s can't be read: %s", console.internal_id, fault)
            return ()

    def discard(self, console: Console) -> None:
        """Forget what was kept of a console, and don't keep more of it."""
        self._due.pop(console, None)
        console.keeper = None
        self.discard_old(console.internal_id)

    def discard_old(self, internal_id: str) -> None:
        """Forget what was kept of an earlier container of that name."""
        self._leaving.add(internal_id)
        self._woken.set()

    async def sweep(self, keep: Collection[str]) -> None:
        """Forget every log but those of ``keep``: what a deletion that was cut short has left."""
        try:
            await self.log.sweep(keep)
        except LogUnavailable as fault:
            logger.warning("old console logs could not be removed: %s", fault)

    async def run(self) -> None:
        """Copy for ever."""
        failures = 0
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            if not self._leaving:
                with trio.move_on_after(EVERY):
                    await self._much.wait()
            self._much = trio.Event()
            if await self.copy():
                failures = 0
                await trio.sleep(self._rest)
            else:
                failures += 1
                await trio.sleep(BACKOFF.delay(failures))

    async def farewell(self) -> None:
        """Copy what there is, within ``SHUTDOWN_FLUSH`` seconds."""
        with trio.move_on_after(SHUTDOWN_FLUSH, shield=True):
            await self.copy()

    async def copy(self) -> bool:
        """Have what is new kept, and forget what is to be forgotten; return false where something wasn't."""
        async with self._copying:
            due, self._due = self._due, {}
            try:
                failed = await self._copy(list(due))
            except trio.Cancelled:  # the farewell has them kept
                self._due |= {console: None for console in due if console.keeper is not None}
                raise
        for internal_id in list(self._leaving):
            try:
                await self._dismiss(internal_id)
            except LogUnavailable as fault:
                failed[internal_id] = str(fault)
                self._woken.set()
        self._tell(failed)
        return not failed

    async def _copy(self, due: Sequence[Console]) -> dict[str, str]:
        """Have what is new on the consoles kept, and return whose wasn't, and why."""
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
                continue  # it was discarded meanwhile
            found = to_entries(console)
            entries += found
            seen[console] = (console.lines.last, console.lines.volume, console.begun[-1].life)
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
                _tick_off(console, last, volume, life)
        return failed

    async def _dismiss(self, internal_id: str) -> None:
        if internal_id in self._leaving:
            async with self._copying:
                if internal_id in self._leaving:
                    await self.log.remove(internal_id)
                    self._leaving.discard(internal_id)

    def _tell(self, failed: dict[str, str]) -> None:
        if failed and not self._failing:
            internal_id, reason = next(iter(failed.items()))
            logger.warning("the console log of %s can't be written: %s", internal_id, reason)
        elif self._failing and not failed:
            logger.info("console logs are written again")
        self._failing = bool(failed)


def to_entries(console: Console) -> list[Entry]:
    """Return what the log lacks of a console, an entry for each life."""
    stretch = console.lines.read(console.kept, console.lines.items)
    entries, missed, begins = [], stretch.missed, console.kept
    read_at = console.read_at or 0.0
    ends = [begun.line for begun in console.begun][1:]
    for begun, end in zip(console.begun, [*ends, stretch.last], strict=True):
        first = max(begins + 1, stretch.first)
        lines = stretch.items[first - stretch.first : max(end + 1 - stretch.first, 0)]
        if lines or (begun is console.begun[-1] and begun.life != console.kept_life):
            entries.append(Entry(console.internal_id, begun.life, read_at, first, lines, missed))
            missed = 0
        begins = max(begins, end)
    return entries


def _tick_off(console: Console, last: int, volume: int, life: str) -> None:
    console.kept, console.kept_volume, console.kept_life = last, volume, life
    while len(console.begun) > 1 and console.begun[1].line <= last:
        console.begun.popleft()
