"""Starts the tokens actor, and the sweep."""

from collections.abc import Callable, Mapping

import trio

from actors.kernel.actor import Perform, View
from actors.kernel.bus import Bus
from actors.kernel.handle import Handle, start_actor
from actors.kernel.mailbox import Ref
from actors.kernel.supervisor import Supervisor
from actors.tokens.decider import DECIDER, State, Token
from actors.tokens.messages import Message, Sweep

STREAM = "tokens"
SWEEP_EVERY = 300.0


async def open_tokens(
    bus: Bus,
    supervisor: Supervisor,
    clock: Callable[[], float],
    in_use: Callable[[], frozenset[str]],
    on_show: Callable[[Mapping[str, Token]], None],
) -> Handle[State, Message]:
    """Start the tokens actor and return its handle once it has replayed.

    ``in_use`` returns the ids of the tokens with open sockets. ``on_show`` is called with all tokens after
    every event, before the command is answered. ``clock`` returns Unix seconds.
    """

    async def sweep(_effect: str, ref: Ref[Message]) -> None:
        while True:
            await trio.sleep(SWEEP_EVERY)
            await ref.tell(Sweep(clock(), in_use()))

    def new_perform() -> Perform[str, Message]:
        return sweep

    def show(view: View[State]) -> None:
        on_show(view.state.tokens)

    handle = start_actor(supervisor, bus, STREAM, DECIDER, new_perform, show)
    await handle.settled.wait()
    return handle
