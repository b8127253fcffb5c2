"""Limits on concurrent work: in total, for each volume, and with the volumes taking turns.

A limiter with a single queue would give all of its turns to the tenant with the most requests. Here:

- The work of one volume waits in the order in which it arrived; a turn that becomes free goes to the volumes
  in rotation.
- Requests with the master token have a queue of their own for each volume, and ``reserved`` turns that are
  only for them. All queues take turns, so these requests cannot have all of them either.
- If a queue is full, one more raises ``Busy``.
- Long work gives its turn away to waiting work, and continues when it has a turn again.

All of this happens on the event loop, without an ``await`` between a check and its consequence.
"""

from collections import Counter, OrderedDict, deque
from contextvars import ContextVar
from typing import Final

import attrs
import trio

from lightd.files import errors

FAVOURED: Final = ContextVar("favoured", default=False)
"""Whether the current request has the master token."""


@attrs.frozen
class Row:
    """One queue: the work for one volume, with or without the master token."""

    volume_id: str
    favoured: bool


@attrs.define(eq=False)
class Share:
    """``total`` turns; ``what`` names them. One queue has at most ``each``, and ``waiting`` more wait.

    ``held`` are the turns in use. If ``whole`` is set, no other work of a queue starts while one of its
    turns is passed on.
    """

    what: str
    total: int
    each: int
    waiting: int
    reserved: int = 0
    whole: bool = False
    held: int = attrs.field(default=0, init=False)
    _held: Counter[Row] = attrs.field(factory=Counter)
    _rows: OrderedDict[Row, "deque[Turn]"] = attrs.field(factory=OrderedDict)

    def join(self, volume_id: str, *, favoured: bool | None = None, begun: bool = False) -> "Turn":
        """A turn, available at once or waited for. Raises ``Busy`` if too many wait, unless ``begun``.

        ``favoured`` is that of the current request by default.
        """
        turn = Turn(self, Row(volume_id, FAVOURED.get() if favoured is None else favoured))
        self.enqueue(turn)
        if not (begun or turn.given) and len(self._rows[turn.row]) > self.waiting:
            turn.leave()
            bounds = f"{self.each} at once, and {self.waiting} more wait"
            raise errors.Busy(f"This volume has too many {self.what}: {bounds}")
        return turn

    def enqueue(self, turn: "Turn") -> None:
        self._rows.setdefault(turn.row, deque()).append(turn)
        self._handle()

    def withdraw(self, turn: "Turn") -> None:
        """Stop waiting for the turn."""
        row = self._rows[turn.row]
        row.remove(turn)
        if not row:
            del self._rows[turn.row]

    def give_back(self, turn: "Turn") -> None:
        self._drop(turn.row)
        self._handle()

    def pass_on(self, turn: "Turn") -> None:
        """Give the turn to waiting work, and wait for it again behind all other queues."""
        self._drop(turn.row)
        turns = self._rows.setdefault(turn.row, deque())
        (turns.appendleft if self.whole else turns.append)(turn)
        self._rows.move_to_end(turn.row)
        self._handle()

    def is_wanted(self, turn: "Turn") -> bool:
        """Whether other work waits that would get the turn."""
        self._held[turn.row] -= 1
        self.held -= 1
        try:
            return any(self._may(row) for row in self._rows if not self.whole or row != turn.row)
        finally:
            self._held[turn.row] += 1
            self.held += 1

    def _drop(self, row: Row) -> None:
        self.held -= 1
        self._held[row] -= 1
        if self._held[row] == 0:
            del self._held[row]

    def _may(self, row: Row) -> bool:
        free = self.total - self.held
        if not row.favoured:
            others = sum(count for other, count in self._held.items() if not other.favoured)
            free = min(free, self.total - self.reserved - others)
        return free > 0 and self._held[row] < self.each

    def _handle(self) -> None:
        passed = 0
        while passed < len(self._rows) and self.held < self.total:
            row, turns = next(iter(self._rows.items()))
            if not self._may(row):
                self._rows.move_to_end(row)
                passed += 1
                continue
            passed = 0
            self.held += 1
            self._held[row] += 1
            turns.popleft().give()
            if turns:
                self._rows.move_to_end(row)
            else:
                del self._rows[row]


@attrs.define(eq=False)
class Turn:
    """A turn of ``Share.join``; its owner must leave it, even if it was never granted."""

    share: Share
    row: Row
    _given: trio.Event = attrs.field(factory=trio.Event)
    _left: bool = False

    @property
    def given(self) -> bool:
        return self._given.is_set()

    def give(self) -> None:
        self._given.set()

    async def wait(self) -> None:
        """Wait until it is granted."""
        await self._given.wait()

    async def pass_on(self) -> None:
        """Let waiting work have the turn first, then wait for it again."""
        self._given = trio.Event()
        self.share.pass_on(self)
        await self.wait()

    def leave(self) -> None:
        """Give the turn back."""
        if self._left:
            return
        self._left = True
        if self.given:
            self.share.give_back(self)
        else:
            self.share.withdraw(self)
