"""A journal that can be held up and can be unavailable, over the one in memory."""

from collections.abc import Sequence

import attrs
import trio

from actors.kernel.journal import Append, JournalUnavailable, Outcome
from tests.support.doubles.memory import MemoryJournal


@attrs.define(eq=False)
class SlowJournal(MemoryJournal):
    """A ``MemoryJournal`` whose commits take ``seconds``, and fail while ``fault`` has a reason.

    ``batches`` has the streams of every batch that was handed in, ``reads`` the positions and versions
    that were read from.
    """

    seconds: float = 0.0
    fault: str | None = None
    batches: list[list[str]] = attrs.field(factory=list)
    reads: list[int] = attrs.field(factory=list)

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        self.batches.append([append.stream for append in batch])
        await trio.sleep(self.seconds)
        if self.fault is not None:
            raise JournalUnavailable(self.fault)
        return await MemoryJournal.commit(self, batch)

    async def read_all(self, after=0, limit=1000, *, printed=True):
        self.reads.append(after)
        await trio.lowlevel.checkpoint()
        return await MemoryJournal.read_all(self, after, limit, printed=printed)

    async def read_stream(self, stream, after=0, limit=1000, *, printed=True):
        self.reads.append(after)
        await trio.lowlevel.checkpoint()
        return await MemoryJournal.read_stream(self, stream, after, limit, printed=printed)

    async def read_since(self, stream, position=0, limit=1000, *, printed=True):
        self.reads.append(position)
        await trio.lowlevel.checkpoint()
        return await MemoryJournal.read_since(self, stream, position, limit, printed=printed)
