"""Starts the credentials actor, and the sweep."""

from collections.abc import Callable, Mapping

import trio

from actors.kernel.actor import Perform
from actors.kernel.bus import Bus
from actors.kernel.handle import Handle, start_actor
from actors.kernel.mailbox import Ref
from actors.kernel.supervisor import Supervisor
from actors.sftp.decider import DECIDER, State
from actors.sftp.messages import Message, Sweep

STREAM = "sftp"
SWEEP_EVERY = 300.0


async def open_sftp(
    bus: Bus, supervisor: Supervisor, clock: Callable[[], float], endings: Mapping[str, int]
) -> Handle[State, Message]:
    """Start the credentials actor and return its handle once it has replayed.

    ``clock`` returns Unix seconds; ``endings`` has the position of the last deletion by container id.
    """

    async def sweep(_effect: str, ref: Ref[Message]) -> None:
        while True:
            await trio.sleep(SWEEP_EVERY)
            held = handle.view.state.credentials
            outlived = frozenset(name for name, each in held.items() if each.is_outlived(endings))
            await ref.tell(Sweep(clock(), outlived))

    def new_perform() -> Perform[str, Message]:
        return sweep

    handle = start_actor(supervisor, bus, STREAM, DECIDER, new_perform)
    await handle.settled.wait()
    return handle
