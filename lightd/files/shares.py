"""Who may work when: so many at once, so many of them for one volume, and the volumes take turns.

A limiter in which everybody waits in one row gives all of its turns to the tenant who asks most often. Here:

- What waits for one volume waits in the order in which it came; a turn that is given back goes round the
  volumes.
- With the master token there is a row of its own for each volume, and ``reserved`` turns that nobody else
  has. All rows take turns: the master's requests can't have all of them either.
- At the bound of a row one more is ``Busy``.
- Work that takes long gives its turn away to somebody who waits, and goes on when it has one again.

All of it happens on the loop, without an ``await`` between a look and what follows from it.
"""

from collections import Counter, OrderedDict, deque
from contextvars import ContextVar
from typing import Final

import attrs
import trio

from lightd.files import errors

FAVOURED: Final = ContextVar("favoured", default=False)
"""Whether the request that is answered came with the master token."""


@attrs.frozen
class Row:
    """What is counted together: the work for one volume, that with the master token apart."""

    volume_id: str
    favoured: bool


@attrs.define(eq=False)
class Share:
    """``total`` turns for ``what`` they are named. One row has ``each`` at most, and ``waiting`` more wait.

    ``held`` are the turns that are had now. Where it is ``whole``, nothing else of a row begins while a
    turn of its is passed on.
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
        """A turn that is had at once or waited for. ``Busy`` where too many wait, unless it has ``begun``.

        ``favoured`` is that of the request where it isn't given.
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
        self._deal()

    def withdraw(self, turn: "Turn") -> None:
        """The turn isn't waited for any longer."""
        row = self._rows[turn.row]
        row.remove(turn)
        if not row:
            del self._rows[turn.row]

    def give_back(self, turn: "Turn") -> None:
        self._drop(turn.row)
        self._deal()

    def pass_on(self, turn: "Turn") -> None:
        """The turn goes to somebody who waits, and is waited for again behind all other rows."""
        self._drop(turn.row)
        turns = self._rows.setdefault(turn.row, deque())
        (turns.appendleft if self.whole else turns.append)(turn)
        self._rows.move_to_end(turn.row)
        self._deal()

    def is_wanted(self, turn: "Turn") -> bool:
        """Whether somebody who waits would have the turn if it were given back."""
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

    def _deal(self) -> None:
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
    """Made by ``Share.join``; its owner must leave it, even if it never had a turn."""

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
        """Wait until it is given."""
        await self._given.wait()

    async def pass_on(self) -> None:
        """Somebody who waits has it first; then it is ours again."""
        self._given = trio.Event()
        self.share.pass_on(self)
        await self.wait()

    def leave(self) -> None:
        """It is somebody else's, for good."""
        if self._left:
            return
        self._left = True
        if self.given:
            self.share.give_back(self)
        else:
            self.share.withdraw(self)
