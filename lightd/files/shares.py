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

PRIVILEGED: Final = ContextVar("privileged", default=False)
"""Whether the current request has the master token."""


@attrs.frozen
class Queue:
    """One queue: the work for one volume, with or without the master token."""

    volume_id: str
    privileged: bool


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
    _held: Counter[Queue] = attrs.field(factory=Counter)
    _queues: OrderedDict[Queue, "deque[Turn]"] = attrs.field(factory=OrderedDict)

    def join(self, volume_id: str, *, privileged: bool | None = None, begun: bool = False) -> "Turn":
        """A turn, available at once or waited for. Raises ``Busy`` if too many wait, unless ``begun``.

        ``privileged`` is that of the current request by default.
        """
        turn = Turn(self, Queue(volume_id, PRIVILEGED.get() if privileged is None else privileged))
        self.enqueue(turn)
        if not (begun or turn.given) and len(self._queues[turn.queue]) > self.waiting:
            turn.leave()
            bounds = f"{self.each} at once, and {self.waiting} more wait"
            raise errors.Busy(f"This volume has too many {self.what}: {bounds}; try again later")
        return turn

    def enqueue(self, turn: "Turn") -> None:
        self._queues.setdefault(turn.queue, deque()).append(turn)
        self._handle()

    def withdraw(self, turn: "Turn") -> None:
        """Stop waiting for the turn."""
        queue = self._queues[turn.queue]
        queue.remove(turn)
        if not queue:
            del self._queues[turn.queue]

    def give_back(self, turn: "Turn") -> None:
        self._drop(turn.queue)
        self._handle()

    def pass_on(self, turn: "Turn") -> None:
        """Give the turn to waiting work, and wait for it again behind all other queues."""
        self._drop(turn.queue)
        turns = self._queues.setdefault(turn.queue, deque())
        (turns.appendleft if self.whole else turns.append)(turn)
        self._queues.move_to_end(turn.queue)
        self._handle()

    def is_wanted(self, turn: "Turn") -> bool:
        """Whether other work waits that would get the turn."""
        self._held[turn.queue] -= 1
        self.held -= 1
        try:
            return any(self._may(queue) for queue in self._queues if not self.whole or queue != turn.queue)
        finally:
            self._held[turn.queue] += 1
            self.held += 1

    def _drop(self, queue: Queue) -> None:
        self.held -= 1
        self._held[queue] -= 1
        if self._held[queue] == 0:
            del self._held[queue]

    def _may(self, queue: Queue) -> bool:
        free = self.total - self.held
        if not queue.privileged:
            others = sum(count for other, count in self._held.items() if not other.privileged)
            free = min(free, self.total - self.reserved - others)
        return free > 0 and self._held[queue] < self.each

    def _handle(self) -> None:
        passed = 0
        while passed < len(self._queues) and self.held < self.total:
            queue, turns = next(iter(self._queues.items()))
            if not self._may(queue):
                self._queues.move_to_end(queue)
                passed += 1
                continue
            passed = 0
            self.held += 1
            self._held[queue] += 1
            turns.popleft().give()
            if turns:
                self._queues.move_to_end(queue)
            else:
                del self._queues[queue]


@attrs.define(eq=False)
class Turn:
    """A turn of ``Share.join``; its owner must leave it, even if it was never granted."""

    share: Share
    queue: Queue
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
