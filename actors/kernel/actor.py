"""The actor loop: receive, decide, record, evolve, act.

The loop awaits only its mailbox and the journal. Everything that can take long is an effect in a task of its
own, so a kill command is handled while a stop is still waiting.

The order for one message: ``decide`` returns the events; they are recorded; the state is evolved; the caller
gets its answer; effects that the state no longer wants are cancelled, and newly wanted ones are started. An
effect that has ended is remembered until the state no longer wants it, so it runs once each time that a state
begins to want it, and again after a restart: effects must be idempotent.

An incarnation ends only by an exception. The message that is being handled fails; messages in the mailbox
stay there.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

from actors.kernel.bus import PAGE, Bus
from actors.kernel.decider import Decider, Rejection
from actors.kernel.journal import Append, Condensed, CorruptStream, JournalUnavailable, Recorded, is_last
from actors.kernel.mailbox import ActorGone, Envelope, Mailbox, Receipt, Ref

S = TypeVar("S")
M = TypeVar("M")
E = TypeVar("E")
F = TypeVar("F")

Perform = Callable[[F, Ref[M]], Awaitable[M | None]]


@attrs.frozen
class View(Generic[S]):
    """An actor's state and its position in the journal, for readers."""

    state: S
    version: int = 0
    position: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


async def replay(decider: Decider[S, M, E, F], bus: Bus, stream: str) -> View[S]:
    """Return the view after all records of ``stream``. Raises ``CorruptStream`` if a version is missing."""
    view = View(decider.initial)
    while True:
        page = await bus.history(stream, view.version, PAGE)
        for record in page:
            if record.version != view.version + 1 and not isinstance(record.event, Condensed):
                msg = f"version {view.version + 1} is missing in stream {stream} of the journal"
                raise CorruptStream(msg)
            view = advance(decider, view, record)
        if is_last(page, PAGE):
            return view


def advance(decider: Decider[S, M, E, F], view: View[S], record: Recorded) -> View[S]:
    """Return the view after one more record; after a condensed one, the state that it contains."""
    if isinstance(record.event, Condensed):
        state: S = record.event.to_state()  # type: ignore[assignment]  # as below
        return View(state, record.version, record.position, record.event.created_at, record.at)
    event: E = record.event  # type: ignore[assignment]  # a stream holds its decider's events
    return View(
        state=decider.locate(decider.evolve(view.state, event), event, record.position),
        version=record.version,
        position=record.position,
        created_at=view.created_at if view.version else record.at,
        updated_at=record.at,
    )


@attrs.define(eq=False)
class Actor(Generic[S, M, E, F]):
    """One incarnation of an actor.

    ``perform`` runs an effect and returns the observation that it ends in, or None; it can send further
    observations through the ref that it is given. ``show`` is called with every new view, before the caller
    gets its answer.
    """

    decider: Decider[S, M, E, F]
    stream: str
    bus: Bus
    mailbox: Mailbox[M]
    perform: Perform[F, M]
    show: Callable[[View[S]], None]
    _effects: dict[F, trio.CancelScope] = attrs.field(factory=dict)

    async def run(self) -> None:
        """Replay the stream, then handle messages until cancelled; raises what a message failed with."""
        view = await replay(self.decider, self.bus, self.stream)
        self.show(view)
        async with trio.open_nursery() as nursery:
            self._act(view.state, nursery)
            while True:
                envelope = await self.mailbox.receive()
                try:
                    view = await self._handle(envelope, view)
                except Rejection as rejection:
                    envelope.fail(rejection)
                except JournalUnavailable as outage:
                    envelope.fail(outage)
                    raise
                finally:
                    envelope.fail(ActorGone(f"{self.stream} crashed on {type(envelope.message).__name__}"))
                self._act(view.state, nursery)

    async def _handle(self, envelope: Envelope[M], view: View[S]) -> View[S]:
        events = tuple(self.decider.decide(view.state, envelope.message))
        if not events:
            envelope.answer(Receipt(view.position))
            return view
        recorded = await self.bus.publish(Append(self.stream, view.version, events, envelope.cause))
        for record in recorded:
            view = advance(self.decider, view, record)
        self.show(view)
        envelope.answer(Receipt(view.position, recorded))
        return view

    def _act(self, state: S, nursery: trio.Nursery) -> None:
        wanted = self.decider.effects(state)
        for effect in [effect for effect in self._effects if effect not in wanted]:
            self._effects.pop(effect).cancel()
        for effect in wanted - self._effects.keys():
            scope = self._effects[effect] = trio.CancelScope()
            nursery.start_soon(self._run_effect, effect, scope)

    async def _run_effect(self, effect: F, scope: trio.CancelScope) -> None:
        ref = Ref(self.mailbox)
        with scope:
            observation = await self.perform(effect, ref)
            if observation is not None:
                await ref.tell(observation)
