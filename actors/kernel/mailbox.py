"""An actor's mailbox, and the two ways to reach it: ``ask`` waits for the decision, ``tell`` does not.

The mailbox belongs to the place in the system, not to one incarnation of the actor: it outlives a crash,
so only the message in hand fails and what was queued behind it is read by the next incarnation. Every
asker is answered: with a receipt, with the error that the decision raised, or with ``ActorGone``.

It holds ``CAPACITY`` messages. At that bound ``ask`` raises ``Overloaded`` and ``tell_nowait`` drops the
message: observations may be dropped, for the next reconcile tells them again.
"""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs
import trio

from actors.kernel.journal import Recorded
from actors.kernel.promise import Promise

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)

CAPACITY = 256


class Overloaded(Exception):  # noqa: N818 - names the fault of the world, not an error of ours
    """The mailbox is full: the actor can't keep up, try again later."""


class ActorGone(Exception):  # noqa: N818 - names the state of the actor asked
    """The actor has ended, crashed on this very message, or is quarantined; nobody decided about it.

    ``quarantined`` is true where it waits for an operator to revive it.
    """

    def __init__(self, message: str, *, quarantined: bool = False) -> None:
        super().__init__(message)
        self.quarantined = quarantined

    def again(self) -> "ActorGone":
        """The same for one more asker: an exception raised twice would keep the frames of both."""
        return ActorGone(*self.args, quarantined=self.quarantined)


@attrs.frozen
class Receipt:
    """What a decision left in the journal: its records, empty where the wish was already true.

    ``position`` is the one to subscribe from in order to see what follows.
    """

    position: int
    recorded: tuple[Recorded, ...] = ()

    @property
    def events(self) -> Sequence[object]:
        """The recorded events alone."""
        return [record.event for record in self.recorded]


@attrs.frozen(eq=False)
class Envelope(Generic[M]):
    """A message on its way, with the operation it belongs to and its asker's place to wait."""

    message: M
    cause: str | None = None
    _reply: Promise[Receipt] | None = None

    def answer(self, receipt: Receipt) -> None:
        """Let the asker go on with ``receipt``; nothing where nobody asked."""
        if self._reply is not None:
            self._reply.set(receipt)

    def fail(self, error: Exception) -> None:
        """Let the asker go on with ``error``; nothing where nobody asked or the answer is out."""
        if self._reply is not None:
            self._reply.fail(error)


@attrs.define(eq=False)
class Mailbox(Generic[M]):
    """The reading end: one actor at a time takes envelopes out of it."""

    _queue: deque[Envelope[M]] = attrs.field(factory=deque)
    _arrived: trio.Event = attrs.field(factory=trio.Event)
    _room: trio.Event = attrs.field(factory=trio.Event)
    _closed: ActorGone | None = None

    async def receive(self) -> Envelope[M]:
        """Return the oldest envelope, waiting for one."""
        while not self._queue:
            self._arrived = trio.Event()
            await self._arrived.wait()
        envelope = self._queue.popleft()
        self._room.set()
        self._room = trio.Event()
        return envelope

    def close(self, reason: ActorGone) -> None:
        """Answer everybody who waits with ``reason``, and everybody who comes until ``reopen``."""
        self._closed = reason
        while self._queue:
            self._queue.popleft().fail(reason.again())
        self._room.set()
        self._room = trio.Event()

    def reopen(self) -> None:
        """Take messages again."""
        self._closed = None

    def _post(self, envelope: Envelope[M]) -> bool:
        if len(self._queue) >= CAPACITY:
            return False
        self._queue.append(envelope)
        self._arrived.set()
        return True

    async def _wait_room(self) -> None:
        while self._closed is None and len(self._queue) >= CAPACITY:
            await self._room.wait()

    @property
    def closed(self) -> ActorGone | None:
        """Why nothing is taken, or None."""
        return self._closed


@attrs.frozen(eq=False)
class Ref(Generic[M_contra]):
    """The writing end of a mailbox; good for as long as the actor's place in the system exists."""

    _mailbox: Mailbox[M_contra]

    async def ask(self, message: M_contra, cause: str | None = None) -> Receipt:
        """Wait until the decision on ``message`` is recorded, and return its receipt.

        "Recorded" is not "done": what the effects lead to comes as later events. Raises ``Rejection``
        where the state forbids it, ``Overloaded`` where the mailbox is full, ``ActorGone`` where no
        actor will decide, ``JournalUnavailable`` where the decision could not be recorded. A cancelled
        ask may still have been decided.
        """
        if self._mailbox.closed is not None:
            raise self._mailbox.closed.again()
        reply: Promise[Receipt] = Promise()
        if not self._mailbox._post(Envelope(message, cause, reply)):  # noqa: SLF001 - the two ends of one thing
            msg = "too many requests wait for this actor, try again later"
            raise Overloaded(msg)
        return await reply.wait()

    async def tell(self, message: M_contra, cause: str | None = None) -> None:
        """Put ``message`` into the mailbox, waiting for room; dropped where the actor is gone."""
        await self._mailbox._wait_room()  # noqa: SLF001 - the two ends of one thing
        self.tell_nowait(message, cause)
        await trio.lowlevel.checkpoint()

    def tell_nowait(self, message: M_contra, cause: str | None = None) -> bool:
        """Put ``message`` into the mailbox and return true; false where it is full or the actor is gone."""
        if self._mailbox.closed is not None:
            return False
        return self._mailbox._post(Envelope(message, cause))  # noqa: SLF001 - the two ends of one thing
