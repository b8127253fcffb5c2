"""Tokens are revoked once all the containers that they name were deleted.

Nothing depends on when this happens, or on whether it does before a crash: which containers a token reaches
follows from positions in the journal alone (``Token.remaining``). This ends the sockets and frees the place.
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
    """Revoke what is outlived, now and after each deletion, for ever.

    ``endings`` has the position of the last deletion of each id, as soon as it is announced; ``clock`` gives
    Unix seconds.
    """
    subscription = bus.subscribe(bus.head)
    while True:
        for name in [name for name, token in tokens.view.state.tokens.items() if token.is_outlived(endings)]:
            with suppress(Rejection):  # it has expired meanwhile
                await tokens.ref.ask(Revoke(name, clock()))
        while not any(isinstance(record.event, Deleted) for record in await subscription.next()):
            pass
