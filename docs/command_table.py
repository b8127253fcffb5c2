"""What each command does in each phase: the answers of the decider itself, in a table.

Every situation is reached from the empty state by messages alone, so none is invented. A phase without a
situation fails type checking; a command without an example and an event without words end the rendering with
an error.
"""

import itertools
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import assert_never, get_args

import attrs

from actors.container import events, messages
from actors.container.decider import DECIDER
from actors.container.engine import Snapshot
from actors.container.events import Event, Follow
from actors.container.spec import ContainerSpec, Limits, PortBinding, RestartPolicy
from actors.container.state import Phase, State
from actors.kernel.decider import Rejection, replay

SPEC = ContainerSpec(
    "s1",
    "image",
    "volume",
    "command",
    start_pattern="Ready",
    install_script="#!/bin/sh",
    restart_policy=RestartPolicy("on-crash"),
)
REBIND = messages.Rebind((PortBinding("127.0.0.1", 7777, "tcp", 7777),))
REINSTALL = messages.Reinstall(image="other")
EDIT = messages.Edit(startup_command="other")
LIMIT = messages.Edit(limits=Limits(pids=5))

POWER: MappingProxyType[str, messages.Command] = MappingProxyType(
    {
        "start": messages.Start(),
        "stop": messages.Stop(),
        "kill": messages.Kill(),
        "restart": messages.Restart(),
        "delete": messages.Delete(),
    }
)
ADOPT = messages.Adopt(SPEC, 1, Snapshot("e1", running=True, started_at=100.0))
CHANGES: MappingProxyType[str, messages.Command] = MappingProxyType(
    {"create": messages.Create(SPEC), "adopt": ADOPT, "reinstall": REINSTALL, "rebind": REBIND, "edit": EDIT}
)


def _reach(*sent: messages.Message, since: State = DECIDER.initial) -> State:
    for message in sent:
        since = replay(DECIDER, since, DECIDER.decide(since, message))
    return since


UP = Snapshot("e1", running=True, started_at=100.0)
DOWN = Snapshot("e1", running=False, started_at=100.0, finished_at=200.0, exit_code=1)


IMAGE, SCRIPT = messages.ImageReported(1), messages.ScriptReported(1, 0)
PULLING = _reach(messages.Create(SPEC))
SCRIPTING = _reach(IMAGE, since=PULLING)
CREATING = _reach(SCRIPT, since=SCRIPTING)
OFFLINE = _reach(messages.CreationReported(1, "e1"), since=CREATING)
STARTING = _reach(messages.Start(), since=OFFLINE)
LOADING = _reach(messages.StartReported(1, UP), since=STARTING)
RUNNING = _reach(messages.ReadinessReported(1), since=LOADING)
KILLING = _reach(messages.Kill(), since=RUNNING)
WAITING = _reach(messages.Inspected(DOWN), since=RUNNING)
RESTORING = _reach(messages.Inspected(attrs.evolve(DOWN, interrupted=True)), since=RUNNING)
REBOUND = _reach(REBIND, messages.CandidateReported(2, "e2"), since=RUNNING)
REINSTALLING = _reach(REINSTALL, messages.ImageReported(2), since=OFFLINE)


def _to_situations(phase: Phase) -> dict[str, State]:
    """Return states of ``phase``, by what they hold besides the phase that changes an answer.

    A ``match``, so that a phase without a situation fails type checking.
    """
    match phase:
        case Phase.ABSENT:
            return {"": _reach()}
        case Phase.PULLING:
            return {"": PULLING}
        case Phase.SCRIPTING:
            return {"": SCRIPTING}
        case Phase.CREATING:
            return {"": CREATING}
        case Phase.FAILED:
            return {"": _reach(messages.ImageReported(1, "no such image"), since=PULLING)}
        case Phase.OFFLINE:
            return {"": OFFLINE, "a change is being prepared": _reach(REBIND, since=OFFLINE)}
        case Phase.WAITING:
            return {"": WAITING, "a change is being prepared": _reach(REBIND, since=WAITING)}
        case Phase.RESTORING:
            return {"": RESTORING, "a change is being prepared": _reach(REBIND, since=RESTORING)}
        case Phase.STARTING:
            lost = _reach(messages.AbsenceReported("e1"), messages.Start(), since=OFFLINE)
            return {"": STARTING, "its container is being created again": lost}
        case Phase.LOADING:
            return {"": LOADING}
        case Phase.RUNNING:
            return {
                "": RUNNING,
                "a change is being prepared": _reach(REBIND, since=RUNNING),
                "new limits are being applied": _reach(LIMIT, since=RUNNING),
            }
        case Phase.STOPPING:
            return {
                "": _reach(messages.Stop(), since=RUNNING),
                "to be started again": _reach(messages.Restart(), since=RUNNING),
                "to be deleted": _reach(messages.Delete(), since=RUNNING),
                "to get other ports": REBOUND,
                "to be reinstalled": _reach(REINSTALL, messages.ImageReported(2), since=RUNNING),
            }
        case Phase.KILLING:
            return {
                "": KILLING,
                "to be started again": _reach(messages.Start(), since=KILLING),
                "to be deleted": _reach(messages.Delete(), since=KILLING),
                "to get other ports": _reach(messages.GraceElapsed(1), since=REBOUND),
            }
        case Phase.REINSTALLING:
            return {"": REINSTALLING}
        case Phase.BUILDING:
            return {"": _reach(messages.ScriptReported(2, 0), since=REINSTALLING)}
        case Phase.REPLACING:
            return {
                "to be started": _reach(messages.EndReported(1, DOWN), since=REBOUND),
                "to stay offline": _reach(REBIND, messages.CandidateReported(2, "e2"), since=OFFLINE),
            }
        case Phase.DELETING:
            return {"": _reach(messages.Delete(), since=OFFLINE)}
        case Phase.DELETED:
            return {"": _reach(messages.Delete(), messages.RemovalReported(1), since=OFFLINE)}
    assert_never(phase)


SITUATIONS = MappingProxyType({phase: _to_situations(phase) for phase in Phase})

AFTERWARDS = MappingProxyType(
    {
        Follow.REST: "afterwards it stays offline",
        Follow.START: "afterwards it is started again",
        Follow.DELETE: "afterwards the container is removed",
    }
)
WORDS: MappingProxyType[type[object], str] = MappingProxyType(
    {
        events.Created: "the installation begins",
        events.Adopted: "the container is taken over as it is",
        events.FoundRunning: "its process runs",
        events.InstallationFailed: "the installation is cancelled",
        events.StartRequested: "the process is started",
        events.StartFailed: "the start is cancelled",
        events.StopRequested: "the process is asked to stop, and killed after `stop.timeout`",
        events.KillRequested: "the process is killed at once",
        events.RestartCalledOff: "the restart that was due is cancelled",
        events.DeletionRequested: "the container is removed",
        events.InstallationRepeated: "the installation begins again",
        events.ReinstallRequested: "the image is pulled; then the process stops and it is installed again",
        events.RebindRequested: (
            "a container with the new ports is created; then the process stops and it is replaced"
        ),
        events.Edited: "the new settings are recorded",
        events.ResumptionDecided: "the container is replaced first",
        events.ChangeFailed: "the change is cancelled",
        events.ChangeAbandoned: "the change is cancelled",
    }
)


def _to_words(event: Event, before: Phase) -> str:
    match event:
        case events.StopRequested() if before is Phase.STOPPING:
            return AFTERWARDS[event.follow]  # it was asked to stop before
        case events.KillRequested() if before is Phase.KILLING:
            return AFTERWARDS[event.follow]
        case events.StopRequested() | events.KillRequested():
            return f"{WORDS[type(event)]}; {AFTERWARDS[event.follow]}"
        case events.ResumptionDecided():
            return f"{WORDS[type(event)]}; {AFTERWARDS[Follow.START if event.resume else Follow.REST]}"
        case _:
            return WORDS[type(event)]


def _to_cell(state: State, command: messages.Command) -> str:
    try:
        decided = DECIDER.decide(state, command)
    except Rejection as rejection:
        return f"rejected: *{rejection.message}* (`{rejection.code}`)"
    if not decided:
        return "already so"
    after = replay(DECIDER, state, decided)
    said = "; ".join(_to_words(event, state.phase) for event in decided)
    recorded = ", ".join(f"`{type(event).__name__}`" for event in decided)
    lines = [f"{said[0].upper()}{said[1:]}."]
    lines.append(f"{recorded}, {'still' if after.phase is state.phase else 'now'} {after.phase.value}")
    if begun := sorted({type(effect).__name__ for effect in DECIDER.effects(after) - DECIDER.effects(state)}):
        lines.append(f"Begins: {', '.join(begun)}")
    return "<br>".join(lines)


def render() -> Iterator[str]:
    """The chapter of commands by phases."""
    for phase, states in SITUATIONS.items():
        assert {state.phase for state in states.values()} == {phase}  # noqa: S101 - else a row is misnamed
    columns = {type(each) for each in (*POWER.values(), *CHANGES.values())}
    assert columns == set(get_args(messages.Command))  # noqa: S101 - else columns are missing
    yield "## What a command does in each phase"
    yield (
        "Find the phase, then the command. A cell says what happens, then which events are recorded and the "
        "phase after them, then which work begins; work that belongs to the phase before is cancelled. "
        "*Already so* means that the command succeeds and records nothing. A rejected command changes "
        "nothing; the response has the message and, in brackets, the code."
    )
    yield "### Power actions and deletion"
    yield "\n".join(_rows(POWER))
    yield "### Creation and changes"
    yield (
        "Examples: `reinstall` from another image, `rebind` to another port, `edit` of the startup command. "
        "Where these are possible, a `rebind` or `edit` to what the container already has is *already so*."
    )
    yield "\n".join(_rows(CHANGES))


def _rows(commands: MappingProxyType[str, messages.Command]) -> Iterator[str]:
    yield _to_row(["phase", *(f"`{name}`" for name in commands)])
    yield "|---" * (len(commands) + 1) + "|"
    rows = [
        (
            f"{phase.value}, {detail}" if detail else phase.value,
            [_to_cell(state, command) for command in commands.values()],
        )
        for phase, states in SITUATIONS.items()
        for detail, state in states.items()
    ]
    for cells, alike in itertools.groupby(rows, key=lambda row: row[1]):
        yield _to_row(["<br>".join(f"**{name}**" for name, _ in alike), *cells])


def _to_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
