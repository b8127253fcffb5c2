"""Restores what ran when the engine or the host was shut down: at most ``AT_ONCE`` starts at a time.

The order of events:

1. The engine ends a process because it or the host shuts down. While it shuts down it inspects nothing
   (``Engine.inspect``), so no end is recorded meanwhile, and a daemon that is killed with it records none.
2. The engine answers again, to this daemon or to the next. The fleet reconciles: each actor is told that its
   process was interrupted, and records the end and ``RestoreScheduled``.
3. Only when all of them have, the one that was started first is started first: a start before that could be
   out of order. What is recorded later, because its console was read for longer, follows in its turn.
4. A turn is over once the start is recorded as done or failed, or ``START_TIMEOUT`` seconds later.

What can happen between 2 and 3 is decided by the actor: after a stop, a deletion or a start by the user its
phase is another one, and its turn changes nothing. The phase is recorded, so a daemon that is killed in
between goes on with those that are left. A port that was taken meanwhile makes one start fail, as for any
start. If the engine goes down again, starts that were requested are repeated when it answers, and what had
been started is interrupted again.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from actors.container import events, messages
from actors.container.state import Phase, Stage
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded

if TYPE_CHECKING:
    from actors.container.fleet import Fleet, Member

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
START_TIMEOUT: Final = 60.0
PAUSE: Final = 1.0
"""Seconds before an actor that could not decide is asked again."""


async def restore(fleet: "Fleet", allowed: Callable[[], bool]) -> None:
    """Start what is to be restored, for ever; while not ``allowed``, record that it stays down."""
    turns = trio.Semaphore(AT_ONCE)
    async with trio.open_nursery() as nursery:
        while True:
            await turns.acquire()
            while (member := _next(fleet)) is None:
                await fleet.reconciled.wait()
            try:
                await _decide(member, allowed=allowed())
            except (ActorGone, Overloaded, JournalUnavailable) as error:
                logger.warning("%s could not be restored yet: %s", member.internal_id, error)
                await trio.sleep(PAUSE)
            nursery.start_soon(_end_turn, member, turns)


def _next(fleet: "Fleet") -> "Member | None":
    """Return the container whose turn it is, None if there is none or not all were looked at."""
    if not fleet.verified:
        return None
    due = [each for each in fleet if each.state.phase is Phase.RESTORING and not each.handle.quarantined]
    return min(due, key=lambda each: each.state.started_at or 0.0, default=None)


async def _decide(member: "Member", *, allowed: bool) -> None:
    receipt = await member.handle.ref.ask(messages.RestoreDecided(member.state.run, allowed))
    for event in receipt.events:
        if isinstance(event, events.StartRequested):
            text = "restoring %s: it ran when the container engine or the host was shut down"
        else:
            text = "not restoring %s, which ran when the container engine or the host was shut down"
        logger.info(text, member.internal_id)


async def _end_turn(member: "Member", turns: trio.Semaphore) -> None:
    with trio.move_on_after(START_TIMEOUT):
        await member.wait_until(lambda view: view.state.stage is not Stage.STARTING)
    turns.release()
