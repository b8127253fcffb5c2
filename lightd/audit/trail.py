"""The trail: writes each call to the audit before it is executed, and again with its outcome.

1. One task writes. It takes all pending entries at once, so many calls share one commit.
2. ``begin`` returns when the call is written so that it survives the end of the process; nothing is done for
   the call before. So there is no change without an entry, whenever the daemon is killed; at worst the
   outcome is missing.
3. ``end`` returns when the entry is on disk; only then is the response sent.
4. If nothing can be written, calls fail with ``JournalUnavailable``. Exceptions are ``urgent`` calls, which
   make room or stop a process: they are executed, logged at once, and written as soon as possible.
5. An outcome that cannot be written waits without delaying its call. At ``MOST_PENDING`` of them further
   refusals, for which nothing was done, are left out, and urgent calls fail as well. At
   ``MOST_PENDING_CHANGES``, more than can be running, all are left out; the next start reports those that had
   begun as interrupted.
6. Of one minted token ``REFUSALS`` refusals are written at once, then one per second; the log counts the
   others. So a client cannot push older entries out of the audit with calls that do nothing.
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

MOST_PENDING: Final = 1000
MOST_PENDING_CHANGES: Final = 10_000
RETRY: Final = 5.0
PRUNED_AT_ONCE: Final = 500
BETWEEN: Final = 0.05
EVERY: Final = 3600.0
GROWN: Final = 10_000
"""New entries after which old ones are deleted before the hour is over."""
REFUSALS: Final = 1000
REFUSING: Final = 10_000
"""Tokens whose refusals are counted; the one without refusals for the longest time is dropped first."""
DAY: Final = 24 * 3600.0


@attrs.define(eq=False)
class Call:
    """One call until its outcome is written. ``subject`` is the id that it concerns."""

    asked: Asked
    subject: str | None = None
    operation_id: str | None = None
    number: int | None = None
    urgent: bool = False
    ended: bool = False


_CURRENT: ContextVar[Call | None] = ContextVar("lightd.audit.call", default=None)


def follow(call: Call) -> None:
    """Make ``call`` the current one of this task and the tasks that it starts (see ``about``)."""
    _CURRENT.set(call)


def about(subject: str) -> None:
    """Set the subject of the current call if its path does not have it: the id of what it creates."""
    if call := _CURRENT.get():
        call.subject = to_text(subject)


def note_operation(operation_id: str) -> None:
    """Set the operation of the current call; only the first one counts."""
    call = _CURRENT.get()
    if call is not None and call.operation_id is None:
        call.operation_id = operation_id


@attrs.define(eq=False)
class Trail:
    """Writes and reads the audit. Created by ``open_trail``; ``clock`` returns Unix seconds."""

    _table: Table
    clock: Callable[[], float]
    lost: int = 0
    left_out: int = 0
    # When the token's allowance is full again.
    _refused: OrderedDict[str, float] = attrs.field(factory=OrderedDict)
    _since_pruned: int = 0
    _grown: Wake = attrs.field(factory=Wake)
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))
    _begun: list[tuple[Begun, Promise[None]]] = attrs.field(factory=list)
    _ended: list[tuple[Ended, Promise[None]]] = attrs.field(factory=list)
    _pending: list[Ended] = attrs.field(factory=list)
    _work: Wake = attrs.field(factory=Wake)
    _recovered: bool = False
    _closing: bool = False

    async def begin(self, call: Call) -> None:
        """Write that ``call`` begins; it can be executed then. Raises ``JournalUnavailable``.

        If it is cancelled the call can be written all the same, so the caller must always call ``end``.
        """
        call.number = next(self._numbers)
        written: Promise[None] = Promise()
        self._begun.append((Begun(call.number, call.asked), written))
        self._work.notify()
        try:
            await written.wait()
        except JournalUnavailable:
            call.number = None
            if not call.urgent or len(self._pending) >= MOST_PENDING:
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
        """Write the outcome of ``call``, once; the promise is set when it is written or must wait."""
        written: Promise[None] = Promise()
        if call.ended:
            written.set(None)
            return written
        call.ended = True
        outcome = Outcome(status, code, call.subject, call.operation_id)
        if call.number is None and outcome.is_refusal and self._exceeds_refusals(call.asked.token_id):
            self.left_out += 1
            written.set(None)
            return written
        self._ended.append((Ended(call.number, call.asked, outcome), written))
        self._work.notify()
        return written

    def _exceeds_refusals(self, token_id: str) -> bool:
        """Count a refusal of a token; return true if it must not be written because there are too many."""
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
        """Write the outcome of ``call``; return when it is on disk, or must wait until the disk works."""
        await self.end_nowait(call, status, code).wait()

    async def read(self, since: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` entries after ``since``, oldest first. Raises ``JournalUnavailable``."""
        return await self._table.read(since, limit)

    async def _write(self) -> None:
        with trio.CancelScope(shield=True):  # it ends by closing, after all callers
            while not (self._closing and not self._begun and not self._ended):
                if not self._begun and not self._ended:
                    with trio.move_on_after(RETRY if self._pending else float("inf")):
                        await self._work.wait()
                await self._write_all()
            await self._write_all()  # the last attempt for pending outcomes

    async def _write_all(self) -> None:
        begun, self._begun = self._begun, []
        ended, self._ended = self._ended, []
        if not begun and not ended and not self._pending:
            return
        try:
            await self._recover()
            await self._table.write([one for one, _ in begun], [*self._pending, *(one for one, _ in ended)])
        except JournalUnavailable as error:
            self._keep_pending([one for one, _ in ended])
            for _, written in begun:
                written.fail(JournalUnavailable(str(error)))
        else:
            self._pending.clear()
            self._since_pruned += len(ended)
            if self._since_pruned >= GROWN:
                self._grown.notify()
            if self.lost:
                logger.warning("%d calls are not in the audit, because it could not be written", self.lost)
                self.lost = 0
        for _, written in (*begun, *ended):
            written.set(None)

    async def _recover(self) -> None:
        """Turn calls that an earlier process began into entries, once: their numbers are used again."""
        if not self._recovered:
            interrupted = await self._table.interrupt()
            self._recovered = True
            if interrupted:
                logger.warning(
                    "%d calls were interrupted by the end of the previous process; see the audit", interrupted
                )

    def _keep_pending(self, ended: Sequence[Ended]) -> None:
        for one in ended:
            bound = MOST_PENDING if one.number is None and one.outcome.is_refusal else MOST_PENDING_CHANGES
            if len(self._pending) < bound:
                self._pending.append(one)
            else:
                self.lost += 1

    async def keep(self, settings: Callable[[], Audit], changed: Wake) -> None:
        """Delete entries beyond the limits of ``settings``: now, whenever they ``changed``, and every hour.

        In small steps, so that no commit waits for long.
        """
        while True:
            present = settings()
            try:
                self._since_pruned = 0
                await self._prune(present)
            except JournalUnavailable as error:
                logger.warning("cannot delete old entries of the audit, retrying within an hour: %s", error)
            if self.left_out:
                logger.warning(
                    "%d refused calls were left out of the audit: too many of one token", self.left_out
                )
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
    """Yield a trail that is stored in ``table``; on exit, outcomes are written first.

    Calls that an earlier process did not end become entries as soon as they can be written.
    """
    trail = Trail(table, clock)
    try:
        await trail._recover()  # noqa: SLF001 - a part of its opening
    except JournalUnavailable as error:
        logger.warning("cannot write the audit, retrying: %s", error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trail._write)  # noqa: SLF001 - the trail's own task, in the scope that owns it
        try:
            yield trail
        finally:
            trail._closing = True  # noqa: SLF001 - as above
            trail._work.notify()  # noqa: SLF001 - as above
