"""Starts the volumes actor."""

from actors.kernel.actor import Perform
from actors.kernel.bus import Bus
from actors.kernel.handle import Handle, start_actor
from actors.kernel.supervisor import Supervisor
from actors.volumes.decider import DECIDER, State
from actors.volumes.messages import Message

STREAM = "volumes"


async def _perform(_effect: str, _ref: object) -> None:
    """Do nothing: volumes have no effects."""


def _new_perform() -> Perform[str, Message]:
    return _perform


async def open_volumes(bus: Bus, supervisor: Supervisor) -> Handle[State, Message]:
    """Start the volumes actor and return its handle once it has replayed."""
    handle = start_actor(supervisor, bus, STREAM, DECIDER, _new_perform)
    await handle.settled.wait()
    return handle
