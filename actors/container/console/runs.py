"""The present run of a process, as the tasks that work on it share it: who opens it and who ends it.

The order of events:

1. The beginning of a run (``StartRequested``, ``FoundRunning``) is recorded and the state is shown.
   ``Runs.follow`` opens the run: this is the only place that does.
2. Then the effects of that state begin, in any order: the one that follows the console, the one that starts
   the process. Each looks the run up; an effect never creates one.
3. The follower attaches and sets ``attached``. The start effect waits for that, starts the process and sets
   ``up``; so every byte is read. The follower reports the end of the run only after ``up``.
4. The follower has read everything and sets ``drained``. A task that sees the end of the process waits for
   that before it reports the end.
5. The end of the run is recorded and shown: ``follow`` sets ``ended``. Then the effects are cancelled, and
   a follower that has not read everything reads the rest.

Two interleavings break a run that is created by the first task that asks for it. A task of an earlier run, or
of the same run in a container that has been created again since, asks after step 1 of the next: its answer
would replace the present run, and the start would wait for a follower that sets the events of another object.
And an event that is recorded between the replay and the first step of an effect would make a resumed start
look like a new one: the process would be started twice.
"""

import attrs
import trio

from actors.container.state import Stage, State


@attrs.define(eq=False)
class LiveRun:
    """A run in one engine container.

    ``fresh`` is true where the start of the process can't have been requested from the engine before. The
    events: ``attached`` once the console is read, ``up`` once the process was started, ``drained`` once
    the console was read to its end. ``ready`` is true once the start pattern was seen, ``followed`` while the
    console is read, or the engine is asked how the process behind it has ended. ``started_at`` is when
    the process started (Unix seconds, the engine's clock), None while that is not recorded; ``ended`` is true
    once the end of the run is. ``hinted`` are the hints that were reported.
    """

    run: int
    engine_id: str
    fresh: bool = False
    started_at: float | None = None
    ended: bool = False
    ready: bool = False
    followed: bool = False
    hinted: set[str] = attrs.field(factory=set)
    attached: trio.Event = attrs.field(factory=trio.Event)
    up: trio.Event = attrs.field(factory=trio.Event)
    drained: trio.Event = attrs.field(factory=trio.Event)

    @property
    def life(self) -> str:
        """The name of this run among all that the console ever shows."""
        return f"{self.engine_id}:{self.run}"


@attrs.define(eq=False)
class Runs:
    """The owner of the present run of one container."""

    _present: LiveRun | None = None

    @property
    def going_on(self) -> LiveRun | None:
        """The present run, from its beginning until its end was recorded."""
        return None if self._present is None or self._present.ended else self._present

    def get(self, run: int, engine_id: str) -> LiveRun:
        """Return the present run where it is this one, else one that has ended and that nobody else knows."""
        present = self._present
        if present is not None and (present.run, present.engine_id) == (run, engine_id):
            return present
        return LiveRun(run, engine_id, ended=True)

    def follow(self, state: State, *, replayed: bool) -> None:
        """Open, update or end the run for a state that was recorded, before its effects begin.

        ``replayed`` is true for the state that an incarnation of the actor begins with: the one before may
        have begun its effects.
        """
        last = self._present
        if last is not None and not last.ended:
            same = (last.run, last.engine_id) == (state.run, state.engine_id)
            last.started_at = state.started_at if state.run == last.run else state.previous
            last.ended, last.fresh = not (same and state.traits.in_run), last.fresh and not replayed
        if state.engine_id is None or not state.traits.in_run:
            return
        if last is None or last.ended:
            fresh = state.stage is Stage.STARTING and not replayed
            last = self._present = LiveRun(state.run, state.engine_id, fresh, state.started_at)
        if state.traits.up and state.started_at is not None:
            last.up.set()
