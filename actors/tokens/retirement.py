"""Revokes tokens when all containers that they name were deleted.

Access does not depend on this: which containers a token covers follows from positions in the journal
(``Token.remaining``). This closes the sockets and makes room for other tokens.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from actors.container.events import Deleted
from actors.kernel.bus import Bus
from actors.kernel.decider import Rejection
from actors.kernel.handle import Handle
from actors.tokens.decider import State
from actors.tokens.messages import Message, Revoke


async def retire(
    bus: Bus, tokens: Handle[State, Message], endings: Mapping[str, int], clock: Callable[[], float]
) -> None:
    """Revoke such tokens now and after each deletion, until cancelled.

    ``endings`` has the position of the last deletion by container id, as soon as it is announced; ``clock``
    returns Unix seconds.
    """
    subscription = bus.subscribe(bus.head)
    while True:
        for name in [name for name, token in tokens.view.state.tokens.items() if token.is_outlived(endings)]:
            with suppress(Rejection):  # it has expired meanwhile
                await tokens.ref.ask(Revoke(name, clock()))
        while not any(isinstance(record.event, Deleted) for record in await subscription.next()):
            pass
