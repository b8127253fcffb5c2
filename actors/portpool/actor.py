"""The port pool: its actor, and the follower that gives back what containers let go of.

The follower reads the bus: when a container was deleted, its installation failed, or its ports were changed
or not changed, it keeps what it claims and holds nothing else. What it claims is looked up then, not read off
the record: the newest claim is the true one, however far behind the follower is. Before that it compares the
pool with the containers that there are, for a crash may have fallen between a lease and what it was for.

``wait_followed`` says when all that was recorded until now has been seen to, so that a new container of an
old name can't lose its lease to the old one's deletion.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs

from actors.container.events import ChangeAbandoned, ChangeFailed, Deleted, InstallationFailed, Replaced
from actors.container.fleet import internal_id_of
from actors.kernel.actor import Perform
from actors.kernel.bus import Bus
from actors.kernel.ephemeral import Latest
from actors.kernel.handle import Handle, start_actor
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded, Ref
from actors.kernel.supervisor import Supervisor
from actors.portpool.decider import DECIDER, State
from actors.portpool.messages import Keep, Key, Message

STREAM = "portpool"

LETS_GO = (Deleted, InstallationFailed, Replaced, ChangeFailed, ChangeAbandoned)

Claims = Callable[[str, int], Awaitable[tuple[Key, ...] | None]]


async def _perform(_effect: str, _ref: object) -> None:
    """Do nothing: a pool has no effects."""


def _new_perform() -> Perform[str, Message]:
    return _perform


@attrs.define(eq=False)
class PortPool:
    """The pool, for those who look at it and those who talk to it."""

    _bus: Bus
    _handle: Handle[State, Message]
    _followed: Latest[int]
    _claims: Claims
    _compared: bool = False

    @property
    def ref(self) -> Ref[Message]:
        """The way to talk to the pool."""
        return self._handle.ref

    @property
    def state(self) -> State:
        """The pool as it is."""
        return self._handle.view.state

    async def wait_followed(self) -> None:
        """Wait until the releases that follow from what is recorded now are done."""
        head = self._bus.head
        while self._followed.value < head:
            await self._followed.wake.wait()

    async def _keep(self, owner: str, position: int, cause: str | None = None) -> None:
        """Have ``owner`` hold nothing but what it claims; all of it where nobody can tell."""
        keys = await self._claims(owner, position)
        if keys is not None:
            await self.ref.ask(Keep(owner, keys), cause)

    async def _compare(self) -> None:
        """Have nobody hold what isn't claimed, once."""
        if not self._compared:
            for owner in self.state.leases():
                await self._keep(owner, 0)
            self._compared = True

    async def _follow(self) -> None:
        await self._compare()
        subscription = self._bus.subscribe(self._followed.value)
        while True:
            for record in await subscription.next():
                owner = internal_id_of(record.stream)
                if owner is not None and isinstance(record.event, LETS_GO):
                    await self._keep(owner, record.position, record.cause)
                self._followed.set(record.position)
            self._followed.set(subscription.position)


async def open_portpool(bus: Bus, supervisor: Supervisor, claims: Claims) -> PortPool:
    """Start the pool and its follower; return it once it has replayed and nobody holds what isn't claimed.

    Where the journal can't be written now, that is given back once it can.
    ``claims`` tells which ports a container has or is about to have, once the record at a position is known
    to its actor, None where nobody can tell; call this before any is created.
    """
    head = bus.head
    handle = start_actor(supervisor, bus, STREAM, DECIDER, _new_perform)
    await handle.settled.wait()
    pool = PortPool(bus, handle, Latest(head), claims)
    with suppress(JournalUnavailable):
        await pool._compare()  # noqa: SLF001 - a part of it
    supervisor.start("portpool follower", pool._follow, outages=(JournalUnavailable, ActorGone, Overloaded))  # noqa: SLF001 - its own task
    return pool
