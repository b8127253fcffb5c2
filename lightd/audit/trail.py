"""The trail: what is asked of the daemon is noted before it is done, and again once its outcome is known.

1. One task writes. It takes all that waits at once: many calls pay for one commit.
2. ``begin`` returns once the call outlives the process, and nothing is done for it before. So a mutation
   without an entry can't be, wherever the daemon is killed; at the worst its outcome is missing.
3. ``end`` returns once the entry is on the disk; only then is the caller answered.
4. Where nothing can be written nothing is begun: ``JournalUnavailable``. What makes room, or ends what runs
   wild, is ``urgent``: it goes on, the log has it at once, and the trail as soon as it can be written.
5. An outcome that can't be written waits until it can be, and keeps nobody waiting. At ``OWED`` of them
   refusals are left out, for which nothing was done, and what is urgent is refused as well. At ``MOST_OWED``,
   more than can be under way, all are left out; what had begun is told as interrupted by the next start.
6. A minted token has ``REFUSALS`` refusals written at once, then one a second; the log counts the others. So
   nobody floods the audit with calls that did nothing, until older entries have to be forgotten for them.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count
from typing import Final

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import JournalUnavailable
from actors.kernel.promise import Promise
from actors.tokens.grant import MASTER
from lightd.audit.entry import Asked, Begun, Ended, Entry, Outcome, Table, to_text
from lightd.config.sections import Audit

logger = logging.getLogger("lightd.audit")

OWED: Final = 1000
MOST_OWED: Final = 10_000
RETRY: Final = 5.0
PRUNED_AT_ONCE: Final = 500
BETWEEN: Final = 0.05
EVERY: Final = 3600.0
GROWN: Final = 10_000
"""So many new entries are looked at for what has to be forgotten, though the hour isn't over."""
REFUSALS: Final = 1000
REFUSING: Final = 10_000
"""So many tokens that were refused are remembered; the one that was quiet longest is forgotten first."""
DAY: Final = 24 * 3600.0


@attrs.define(eq=False)
class Call:
    """One thing asked for, until its outcome is known. ``subject`` is what it is about."""

    asked: Asked
    subject: str | None = None
    operation_id: str | None = None
    number: int | None = None
    urgent: bool = False
    ended: bool = False


_CURRENT: ContextVar[Call | None] = ContextVar("lightd.audit.call", default=None)


def follow(call: Call) -> None:
    """Have ``about`` and ``note_operation`` mean ``call``, in this task and those that it starts."""
    _CURRENT.set(call)


def about(subject: str) -> None:
    """Say what the present call is about, where its path doesn't: the id of what it makes."""
    if call := _CURRENT.get():
        call.subject = to_text(subject)


def note_operation(operation_id: str) -> None:
    """Have the present call lead to the first operation that was begun for it."""
    call = _CURRENT.get()
    if call is not None and call.operation_id is None:
        call.operation_id = operation_id


@attrs.define(eq=False)
class Trail:
    """Writes and reads the audit. Made by ``open_trail``; ``clock`` returns Unix seconds."""

    _table: Table
    clock: Callable[[], float]
    lost: int = 0
    left_out: int = 0
    _refused: OrderedDict[str, float] = attrs.field(factory=OrderedDict)  # when all is paid back
    _since_pruned: int = 0
    _grown: Wake = attrs.field(factory=Wake)
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))
    _begun: list[tuple[Begun, Promise[None]]] = attrs.field(factory=list)
    _ended: list[tuple[Ended, Promise[None]]] = attrs.field(factory=list)
    _owed: list[Ended] = attrs.field(factory=list)
    _work: trio.Event = attrs.field(factory=trio.Event)
    _recovered: bool = False
    _closing: bool = False

    async def begin(self, call: Call) -> None:
        """``call`` is noted and may be carried out; raises ``JournalUnavailable``.

        A cancelled one may be noted all the same, so whoever begins has to end.
        """
        call.number = next(self._numbers)
        written: Promise[None] = Promise()
        self._begun.append((Begun(call.number, call.asked), written))
        self._work.set()
        try:
            await written.wait()
        except JournalUnavailable:
            call.number = None
            if not call.urgent or len(self._owed) >= OWED:
                raise
            asked = call.asked
            logger.warning(
                "not in the audit yet: %s %s by %s",
                asked.method,
                asked.route,
                asked.token_id,
                extra={"address": asked.address, "request_id": asked.request_id},
            )

    def end_nowait(self, call: Call, status: int | None, code: str | None) -> Promise[None]:
        """Have the outcome of ``call`` written, once; the promise is set when it is, or can't be now."""
        written: Promise[None] = Promise()
        if call.ended:
            written.set(None)
            return written
        call.ended = True
        outcome = Outcome(status, code, call.subject, call.operation_id)
        if call.number is None and outcome.is_refusal and self._has_enough_of(call.asked.token_id):
            self.left_out += 1
            written.set(None)
            return written
        self._ended.append((Ended(call.number, call.asked, outcome), written))
        self._work.set()
        return written

    def _has_enough_of(self, token_id: str) -> bool:
        """Return true where enough refusals of a token are written; else this is one more."""
        if token_id == MASTER:
            return False
        now = self.clock()
        paid = max(now, min(self._refused.get(token_id, now), now + REFUSALS)) + 1.0
        if paid > now + REFUSALS:
            return True
        self._refused[token_id] = paid
        self._refused.move_to_end(token_id)
        if len(self._refused) > REFUSING:
            self._refused.popitem(last=False)
        return False

    async def end(self, call: Call, status: int | None, code: str | None) -> None:
        """The outcome of ``call`` is on the disk, or in the hands of the one task that writes."""
        await self.end_nowait(call, status, code).wait()

    async def read(self, since: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` entries over ``since``, oldest first; raises ``JournalUnavailable``."""
        return await self._table.read(since, limit)

    async def _write(self) -> None:
        with trio.CancelScope(shield=True):  # it ends by closing, after all who call
            while not (self._closing and not self._begun and not self._ended):
                if not self._begun and not self._ended:
                    self._work = trio.Event()
                    with trio.move_on_after(RETRY if self._owed else float("inf")):
                        await self._work.wait()
                await self._write_all()
            await self._write_all()  # what is owed has a last chance

    async def _write_all(self) -> None:
        begun, self._begun = self._begun, []
        ended, self._ended = self._ended, []
        if not begun and not ended and not self._owed:
            return
        try:
            await self._recover()
            await self._table.write([one for one, _ in begun], [*self._owed, *(one for one, _ in ended)])
        except JournalUnavailable as error:
            self._owe([one for one, _ in ended])
            for _, written in begun:
                written.fail(JournalUnavailable(str(error)))
        else:
            self._owed.clear()
            self._since_pruned += len(ended)
            if self._since_pruned >= GROWN:
                self._grown.notify()
            if self.lost:
                logger.warning("%d calls are not in the audit: it could not be written", self.lost)
                self.lost = 0
        for _, written in (*begun, *ended):
            written.set(None)

    async def _recover(self) -> None:
        """Make entries of what an earlier life had begun, once: its numbers are given anew."""
        if not self._recovered:
            interrupted = await self._table.interrupt()
            self._recovered = True
            if interrupted:
                logger.warning(
                    "%d calls were interrupted when lightd ended; they are in the audit", interrupted
                )

    def _owe(self, ended: Sequence[Ended]) -> None:
        for one in ended:
            bound = OWED if one.number is None and one.outcome.is_refusal else MOST_OWED
            if len(self._owed) < bound:
                self._owed.append(one)
            else:
                self.lost += 1

    async def keep(self, settings: Callable[[], Audit], changed: Wake) -> None:
        """Forget what is older, or more, than ``settings`` say: now, whenever they ``changed``, every hour.

        A little at a time, so that no commit waits for long.
        """
        while True:
            present = settings()
            try:
                self._since_pruned = 0
                await self._prune(present)
            except JournalUnavailable as error:
                logger.warning("the audit can't be pruned now: %s", error)
            if self.left_out:
                logger.warning("%d refused calls were left out of the audit: too many", self.left_out)
                self.left_out = 0
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = trio.current_time() + EVERY
                nursery.start_soon(self._wait_grown, nursery.cancel_scope)
                while settings() == present:
                    await changed.wait()
                nursery.cancel_scope.cancel()

    async def _wait_grown(self, waiting: trio.CancelScope) -> None:
        while self._since_pruned < GROWN:
            await self._grown.wait()
        waiting.cancel()

    async def _prune(self, settings: Audit) -> None:
        before = self.clock() - settings.keep_days * DAY
        found = PRUNED_AT_ONCE
        while found == PRUNED_AT_ONCE:
            found = await self._table.prune(before, settings.keep_entries, PRUNED_AT_ONCE)
            await trio.sleep(BETWEEN)


@asynccontextmanager
async def open_trail(table: Table, clock: Callable[[], float]) -> AsyncIterator[Trail]:
    """Yield a trail that is kept in ``table``; on leaving, what has ended is written first.

    What an earlier life has begun and not ended becomes entries, as soon as they can be written.
    """
    trail = Trail(table, clock)
    try:
        await trail._recover()  # noqa: SLF001 - a part of its opening
    except JournalUnavailable as error:
        logger.warning("the audit can't be written now: %s", error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trail._write)  # noqa: SLF001 - the trail's own task, in the scope that owns it
        try:
            yield trail
        finally:
            trail._closing = True  # noqa: SLF001 - as above
            trail._work.set()  # noqa: SLF001 - as above
