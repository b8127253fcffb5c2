"""The port pool: its actor, and the follower that releases ports which containers no longer use.

The follower reads the bus: when a container was deleted, its installation failed, or a change of its ports
ended, all its ports are released except those that it claims. The claim is looked up at that moment, not read
from the record, so it is current however far behind the follower is. Before that, the follower compares the
pool with the existing containers: the daemon may have crashed between a lease and its use.

``wait_followed`` waits until everything recorded so far was processed, so that a new container with the id of
an old one can't lose its lease to the deletion of the old one.
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
    """The pool's state and the reference to its actor."""

    _bus: Bus
    _handle: Handle[State, Message]
    _followed: Latest[int]
    _claims: Claims
    _compared: bool = False

    @property
    def ref(self) -> Ref[Message]:
        """The reference to the pool's actor."""
        return self._handle.ref

    @property
    def state(self) -> State:
        """The present state of the pool."""
        return self._handle.view.state

    async def wait_followed(self) -> None:
        """Wait until the releases that follow from what is recorded now are done."""
        head = self._bus.head
        while self._followed.value < head:
            await self._followed.wake.wait()

    async def _keep(self, owner: str, position: int, cause: str | None = None) -> None:
        """Release what ``owner`` holds and does not claim; nothing if the claim is unknown."""
        keys = await self._claims(owner, position)
        if keys is not None:
            await self.ref.ask(Keep(owner, keys), cause)

    async def _compare(self) -> None:
        """Release everything that is not claimed, once."""
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
    """Start the pool and its follower; return it once it has replayed and released what is not claimed.

    If the journal can't be written now, that is released later. ``claims`` returns the ports that a container
    uses or is about to use, as of the record at a position, None if they are unknown. Call this before any
    container is created.
    """
    head = bus.head
    handle = start_actor(supervisor, bus, STREAM, DECIDER, _new_perform)
    await handle.settled.wait()
    pool = PortPool(bus, handle, Latest(head), claims)
    with suppress(JournalUnavailable):
        await pool._compare()  # noqa: SLF001 - a part of it
    supervisor.start("portpool follower", pool._follow, outages=(JournalUnavailable, ActorGone, Overloaded))  # noqa: SLF001 - its own task
    return pool
