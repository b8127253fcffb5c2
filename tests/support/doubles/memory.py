"""A journal, cursors and a console log that are kept in memory and pass the contracts of their Protocols."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter

import attrs

from actors.container.console.log import TAIL, Entry, InstallLog, Numbered, Tail, to_unbroken
from actors.kernel.journal import Append, Outcome, Recorded, VersionConflict, without_output
from actors.remotesync.cursors import Cursor


@attrs.define(eq=False)
class MemoryJournal:
    """A journal in memory, as long as the process runs."""

    clock: Callable[[], float]
    records: list[Recorded] = attrs.field(factory=list)
    _streams: dict[str, list[Recorded]] = attrs.field(factory=dict)

    @property
    def head(self) -> int:
        """The position of the last record, 0 if there is none."""
        return len(self.records)

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch; see ``Journal.commit``."""
        at = self.clock()
        return [self._append(append, at) for append in batch]

    def _append(self, append: Append, at: float) -> Outcome:
        version = len(self._streams.get(append.stream, ()))
        if version != append.after:
            return VersionConflict(append.stream, append.after, version)
        recorded = tuple(
            Recorded(self.head + n, append.stream, version + n, at, event, append.cause)
            for n, event in enumerate(append.events, start=1)
        )
        if recorded:
            self.records.extend(recorded)
            self._streams.setdefault(append.stream, []).extend(recorded)
        return recorded

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_stream``."""
        return _page(self._streams.get(stream, []), after, limit, printed=printed)

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_since``."""
        records = self._streams.get(stream, [])
        begin = bisect_right(records, position, key=attrgetter("position"))
        return _page(records, begin, limit, printed=printed)

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of all streams; see ``Journal.read_all``."""
        return _page(self.records, after, limit, printed=printed)

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return records of one cause; see ``Journal.read_caused``."""
        return [record for record in self.records if record.cause == cause][:100]

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the streams that start with ``prefix``; see ``Journal.streams``."""
        return [name for name in self._streams if name.startswith(prefix)]


@attrs.define(eq=False)
class MemoryCursorStore:
    """Cursors that are kept as long as the process runs."""

    kept: dict[str, Cursor] = attrs.field(factory=dict)

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor; see ``CursorStore.load``."""
        return self.kept.get(name)

    async def save(self, name: str, position: int, changed: Mapping[str, int | None]) -> None:
        """Set the position and some versions; see ``CursorStore.save``."""
        before = self.kept.get(name, Cursor(0)).pending
        pending = {**before, **changed}
        self.kept[name] = Cursor(position, {key: at for key, at in pending.items() if at is not None})


@attrs.define(eq=False)
class MemoryConsoleLog:
    """See ``ConsoleLog``; it outlives what is opened over it, not the process."""

    bound: int = 20_000
    _entries: dict[str, list[Entry]] = attrs.field(factory=dict)
    _installations: dict[str, InstallLog] = attrs.field(factory=dict)

    async def restore(self, internal_id: str) -> Tail:
        """See ``ConsoleLog.restore``."""
        entries = self._entries.get(internal_id)
        if not entries:
            return Tail()
        newest = entries[-1]
        begins = _last_life(entries)[0].first - 1
        lines = to_unbroken(self._lines(internal_id))[-TAIL:]
        return Tail(
            newest.last,
            [line.text for line in lines],
            newest.life,
            begins,
            newest.read_at,
            [line.at for line in lines],
            newest.unfinished,
        )

    async def append(self, entries: Sequence[Entry]) -> Mapping[str, str]:
        """See ``ConsoleLog.append``."""
        for entry in entries:
            kept = self._entries.setdefault(entry.internal_id, [])
            if new := entry.after(kept[-1].last if kept else 0):
                kept.append(new)
            while sum(len(each.lines) for each in kept) > self.bound and len(kept) > 1:
                del kept[0]
        return {}

    async def read(self, internal_id: str, before: int, limit: int) -> Sequence[Numbered]:
        """See ``ConsoleLog.read``."""
        return [line for line in self._lines(internal_id) if line.number < before][-limit:]

    async def keep_installation(self, internal_id: str, log: InstallLog) -> None:
        """See ``ConsoleLog.keep_installation``."""
        self._installations[internal_id] = log

    async def installation(self, internal_id: str) -> InstallLog | None:
        """See ``ConsoleLog.installation``."""
        return self._installations.get(internal_id)

    async def remove(self, internal_id: str) -> None:
        """See ``ConsoleLog.remove``."""
        self._entries.pop(internal_id, None)
        self._installations.pop(internal_id, None)

    async def sweep(self, keep: Collection[str]) -> None:
        """See ``ConsoleLog.sweep``."""
        for internal_id in self._entries.keys() - set(keep):
            del self._entries[internal_id]
        for internal_id in self._installations.keys() - set(keep):
            del self._installations[internal_id]

    def _lines(self, internal_id: str) -> list[Numbered]:
        entries = self._entries.get(internal_id, [])
        return [
            Numbered(number, text, at)
            for entry in entries
            for (number, text), at in zip(
                enumerate(entry.lines, entry.first),
                entry.times or [entry.read_at] * len(entry.lines),
                strict=True,
            )
        ]


def _page(records: Sequence[Recorded], begin: int, limit: int, *, printed: bool) -> list[Recorded]:
    page = records[begin : begin + limit]
    return list(page) if printed else [without_output(record) for record in page]


def _last_life(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries of the last life, from its first on."""
    start = len(entries)
    while start and entries[start - 1].life == entries[-1].life:
        start -= 1
    return entries[start:]
