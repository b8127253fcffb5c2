"""Handles: how the rest of the system reaches one actor, through all its incarnations.

Others hold the handle, not the actor: its ``ref`` to send messages, its ``view`` to read the state. Both stay
valid as long as the handle exists, also while the actor is being restarted.
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
    """One actor. ``view`` is its last view; ``settled`` is set once it has replayed, or is quarantined."""

    name: str
    view: View[S]
    on_show: Callable[[View[S]], None]
    settled: trio.Event = attrs.field(factory=trio.Event)
    _mailbox: Mailbox[M] = attrs.field(factory=Mailbox)
    _child: Child | None = None

    @property
    def ref(self) -> Ref[M]:
        """The writing end of the actor's mailbox."""
        return Ref(self._mailbox)

    @property
    def quarantined(self) -> bool:
        """Whether it crashed repeatedly and is stopped until it is revived."""
        return self._child is not None and self._child.quarantined is not None

    def revive(self) -> bool:
        """Take the actor out of quarantine; return false if it is not in quarantine."""
        return self._child is not None and self._child.revive()

    def end(self) -> None:
        """End the actor; messages that are pending or still come fail with ``ActorGone``."""
        self._mailbox.close(ActorGone(f"{self.name} was ended"))
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
    """Start an actor on the stream ``name`` and return its handle at once.

    ``new_perform`` is called for every incarnation and returns what runs its effects.
    """
    handle: Handle[S, M] = Handle(name, View(decider.initial), on_show)

    async def work() -> None:
        actor = Actor(decider, name, bus, handle._mailbox, new_perform(), handle._show)  # noqa: SLF001 - its own handle
        await actor.run()

    handle._child = supervisor.start(  # noqa: SLF001 - its own handle
        name,
        work,
        outages=(JournalUnavailable,),
        on_quarantine=handle._quarantine,  # noqa: SLF001 - its own handle
        on_revival=handle._mailbox.reopen,  # noqa: SLF001 - its own handle
    )
    return handle
