"""An actor's mailbox, and the two ways to send to it: ``ask`` waits for the decision, ``tell`` does not.

The mailbox belongs to the handle, not to one incarnation of the actor. It survives a crash: only the message
that is being handled fails, and the next incarnation reads the ones behind it. Every ``ask`` returns a
receipt, or raises the error of the decision or ``ActorGone``.

It holds ``CAPACITY`` messages. Beyond that ``ask`` raises ``Overloaded`` and ``tell_nowait`` drops the
message: observations can be dropped, because the next reconciliation sends them again.
"""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import Recorded
from actors.kernel.promise import Promise

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)

CAPACITY = 256


class Overloaded(Exception):  # noqa: N818 - names the fault of the world, not an error of ours
    """The mailbox is full; try again later."""


class ActorGone(Exception):  # noqa: N818 - names the state of the actor asked
    """The actor has ended, crashed on this message, or is quarantined; the message was not decided.

    ``quarantined`` is true if an operator has to revive it.
    """

    def __init__(self, message: str, *, quarantined: bool = False) -> None:
        super().__init__(message)
        self.quarantined = quarantined

    def again(self) -> "ActorGone":
        """Return a copy for one more caller: an exception that is raised twice keeps the frames of both."""
        return ActorGone(*self.args, quarantined=self.quarantined)


@attrs.frozen
class Receipt:
    """The records of a decision, none if the state was as requested already.

    A subscription from ``position`` returns what follows.
    """

    position: int
    recorded: tuple[Recorded, ...] = ()

    @property
    def events(self) -> Sequence[object]:
        """The recorded events alone."""
        return [record.event for record in self.recorded]


@attrs.frozen(eq=False)
class Envelope(Generic[M]):
    """A message in a mailbox, with the operation that caused it and the promise of its caller, if any."""

    message: M
    cause: str | None = None
    _reply: Promise[Receipt] | None = None

    def answer(self, receipt: Receipt) -> None:
        """Return ``receipt`` to the caller, if one waits."""
        if self._reply is not None:
            self._reply.set(receipt)

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in the caller, if one waits and has no answer yet."""
        if self._reply is not None:
            self._reply.fail(error)


@attrs.define(eq=False)
class Mailbox(Generic[M]):
    """The reading end, used by one actor at a time."""

    _queue: deque[Envelope[M]] = attrs.field(factory=deque)
    _arrived: Wake = attrs.field(factory=Wake)
    _room: Wake = attrs.field(factory=Wake)
    _closed: ActorGone | None = None

    async def receive(self) -> Envelope[M]:
        """Return the oldest envelope; wait for one if it is empty."""
        while not self._queue:
            await self._arrived.wait()
        envelope = self._queue.popleft()
        self._room.notify()
        return envelope

    def close(self, reason: ActorGone) -> None:
        """Fail all messages with ``reason``: those in the mailbox, and new ones until ``reopen``."""
        self._closed = reason
        while self._queue:
            self._queue.popleft().fail(reason.again())
        self._room.notify()

    def reopen(self) -> None:
        """Accept messages again."""
        self._closed = None

    def _post(self, envelope: Envelope[M]) -> bool:
        if len(self._queue) >= CAPACITY:
            return False
        self._queue.append(envelope)
        self._arrived.notify()
        return True

    async def _wait_room(self) -> None:
        while self._closed is None and len(self._queue) >= CAPACITY:
            await self._room.wait()

    @property
    def closed(self) -> ActorGone | None:
        """Why no messages are accepted, or None."""
        return self._closed


@attrs.frozen(eq=False)
class Ref(Generic[M_contra]):
    """The writing end of a mailbox, valid as long as the actor's handle."""

    _mailbox: Mailbox[M_contra]

    async def ask(self, message: M_contra, cause: str | None = None) -> Receipt:
        """Wait until the decision on ``message`` is recorded, and return its receipt.

        "Recorded" is not "done": the results of effects are later events. Raises ``Rejection`` if the state
        does not allow it, ``Overloaded`` if the mailbox is full, ``ActorGone`` if no actor will decide it,
        ``JournalUnavailable`` if the decision could not be recorded. A cancelled ask can still be decided.
        """
        if self._mailbox.closed is not None:
            raise self._mailbox.closed.again()
        reply: Promise[Receipt] = Promise()
        if not self._mailbox._post(Envelope(message, cause, reply)):  # noqa: SLF001 - the two ends of one thing
            msg = "too many requests are pending, try again later"
            raise Overloaded(msg)
        return await reply.wait()

    async def tell(self, message: M_contra, cause: str | None = None) -> None:
        """Put ``message`` into the mailbox, waiting for room; dropped if the actor has ended."""
        await self._mailbox._wait_room()  # noqa: SLF001 - the two ends of one thing
        self.tell_nowait(message, cause)
        await trio.lowlevel.checkpoint()

    def tell_nowait(self, message: M_contra, cause: str | None = None) -> bool:
        """Put ``message`` into the mailbox; return false if it is full or the actor has ended."""
        if self._mailbox.closed is not None:
            return False
        return self._mailbox._post(Envelope(message, cause))  # noqa: SLF001 - the two ends of one thing
