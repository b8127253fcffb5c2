"""A place in the system: where one actor lives, through all its incarnations.

Others hold the place, not the actor: its ``ref`` to talk to it and its ``view`` to look at it. Both are good
for as long as the place exists, whatever happens to the incarnation that fills it now.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
import trio

from actors.kernel.actor import Actor, Perform, View
from actors.kernel.bus import Bus
from actors.kernel.decider import Decider
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Mailbox, Ref
from actors.kernel.supervisor import Child, Supervisor

S = TypeVar("S")
M = TypeVar("M")
E = TypeVar("E")
F = TypeVar("F")


@attrs.define(eq=False)
class Handle(Generic[S, M]):
    """Where one actor lives. ``view`` is what it last showed; ``settled`` is set once it has replayed."""

    name: str
    view: View[S]
    on_show: Callable[[View[S]], None]
    settled: trio.Event = attrs.field(factory=trio.Event)
    _mailbox: Mailbox[M] = attrs.field(factory=Mailbox)
    _child: Child | None = None

    @property
    def ref(self) -> Ref[M]:
        """The way to talk to whoever lives here."""
        return Ref(self._mailbox)

    @property
    def quarantined(self) -> bool:
        """True while it keeps crashing and waits for somebody to revive it."""
        return self._child is not None and self._child.quarantined is not None

    def revive(self) -> bool:
        """Take the actor out of quarantine; false where it isn't in it."""
        return self._child is not None and self._child.revive()

    def end(self) -> None:
        """End the actor for good; whoever still asks is told that it is gone."""
        self._mailbox.close(ActorGone(f"{self.name} is gone"))
        if self._child is not None:
            self._child.stop()

    def _show(self, view: View[S]) -> None:
        self.view = view
        self.on_show(view)
        self.settled.set()

    def _quarantine(self, error: Exception) -> None:
        self._mailbox.close(ActorGone(f"{self.name} is in quarantine: {error}", quarantined=True))
        self.settled.set()


def start_actor(
    supervisor: Supervisor,
    bus: Bus,
    name: str,
    decider: Decider[S, M, E, F],
    new_perform: Callable[[], Perform[F, M]],
    on_show: Callable[[View[S]], None] = lambda _: None,
) -> Handle[S, M]:
    """Start an actor on the stream ``name`` and return its place at once, ``settled`` once it has replayed.

    ``new_perform`` makes what does the effects, anew for every incarnation.
    """
    place: Handle[S, M] = Handle(name, View(decider.initial), on_show)

    async def work() -> None:
        actor = Actor(decider, name, bus, place._mailbox, new_perform(), place._show)  # noqa: SLF001 - its own place
        await actor.run()

    place._child = supervisor.start(  # noqa: SLF001 - its own place
        name,
        work,
        outages=(JournalUnavailable,),
        on_quarantine=place._quarantine,  # noqa: SLF001 - its own place
        on_revival=place._mailbox.reopen,  # noqa: SLF001 - its own place
    )
    return place
