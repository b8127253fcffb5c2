"""An audit table in memory, that can be made to fail and to wait; ``now`` is its time."""

import attrs
import trio

from actors.kernel.journal import JournalUnavailable
from lightd.audit.entry import INTERRUPTED, Entry, Outcome


@attrs.define(eq=False)
class MemoryTable:
    fault: str | None = None
    gate: trio.Event | None = None
    begun: dict = attrs.field(factory=dict)
    entries: list = attrs.field(factory=list)
    writes: list = attrs.field(factory=list)
    prunes: int = 0
    last: int = 0
    now: float = 0.0

    async def _pass(self):
        if self.gate is not None:
            await self.gate.wait()
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise JournalUnavailable(self.fault)

    def _add(self, asked, outcome):
        self.last += 1
        self.entries.append(Entry(self.last, asked, outcome))

    async def interrupt(self):
        found = len(self.begun)
        if found:
            await self._pass()
        for asked in self.begun.values():
            self._add(asked, Outcome(None, INTERRUPTED))
        self.begun.clear()
        return found

    async def write(self, begun, ended):
        await self._pass()
        self.writes.append((len(begun), len(ended)))
        for one in begun:
            assert one.number not in self.begun
            self.begun[one.number] = one.asked
        for one in ended:
            self._add(one.asked, one.outcome)
            self.begun.pop(one.number, None)

    async def read(self, since, limit):
        await self._pass()
        return [entry for entry in self.entries if entry.seq > since][:limit]

    async def prune(self, before, most, limit):
        await self._pass()
        self.prunes += 1
        oldest = self.entries[:limit]
        gone = [entry for entry in oldest if entry.asked.at < before or entry.seq <= self.last - most]
        self.entries = [entry for entry in self.entries if entry not in gone]
        return len(gone)
