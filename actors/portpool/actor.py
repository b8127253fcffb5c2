"""The port pool: its actor's place, and the follower that gives back what containers let go of.

The follower reads the bus: a container that was deleted, or whose installation failed, holds no ports. Before
that it compares the pool with the containers that there are, for a crash may have fallen between the lease
and the creation it was for. ``wait_followed`` says when all that was recorded until now has been seen to, so
that a new container of an old name can't lose its lease to the old one's deletion.
"""

from collections.abc import Iterable

import attrs

from actors.container.events import Deleted, InstallationFailed
from actors.container.fleet import internal_id_of
from actors.kernel.actor import Perform
from actors.kernel.bus import Bus
from actors.kernel.ephemeral import Latest
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded, Ref
from actors.kernel.place import Place, start_actor
from actors.kernel.supervisor import Supervisor
from actors.portpool.decider import DECIDER, State
from actors.portpool.messages import Message, Release

STREAM = "portpool"


async def _perform(_effect: str, _ref: object) -> None:
    """Do nothing: a pool has no effects."""


def _new_perform() -> Perform[str, Message]:
    return _perform


@attrs.define(eq=False)
class PortPool:
    """The pool, for those who look at it and those who talk to it."""

    _bus: Bus
    _place: Place[State, Message]
    _followed: Latest[int]

    @property
    def ref(self) -> Ref[Message]:
        """The way to talk to the pool."""
        return self._place.ref

    @property
    def state(self) -> State:
        """The pool as it is."""
        return self._place.view.state

    async def wait_followed(self) -> None:
        """Wait until the releases that follow from what is recorded now are done."""
        head = self._bus.head
        while self._followed.value < head:
            await self._followed.wake.wait()

    async def _follow(self) -> None:
        subscription = self._bus.subscribe(self._followed.value)
        while True:
            for record in await subscription.next():
                owner = internal_id_of(record.stream)
                if owner is not None and isinstance(record.event, Deleted | InstallationFailed):
                    await self.ref.ask(Release(owner), record.cause)
                self._followed.set(record.position)
            self._followed.set(subscription.position)


async def open_portpool(bus: Bus, supervisor: Supervisor, owners: Iterable[str]) -> PortPool:
    """Start the pool and its follower; return it once it has replayed and holds nothing for strangers.

    ``owners`` are the containers that may hold ports; call it before any is created.
    """
    head = bus.head
    place = start_actor(supervisor, bus, STREAM, DECIDER, _new_perform)
    await place.settled.wait()
    pool = PortPool(bus, place, Latest(head))
    for owner in place.view.state.owners() - frozenset(owners):
        await pool.ref.ask(Release(owner))
    supervisor.start("portpool follower", pool._follow, outages=(JournalUnavailable, ActorGone, Overloaded))  # noqa: SLF001 - its own task
    return pool
