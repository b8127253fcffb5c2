"""The public form of a container's events: what clients and the panel receive. Pure.

1. ``PUBLIC`` has one row for each kind of event, with every field that is shown. It is independent of the
   journal: a new schema number or an upcast there changes nothing here, and a field that an event has gained
   is shown only after it was added to its row. The spec of a container is shown as a whole.
2. A name or a value that was once shown is never changed or removed; fields can be added. The files in
   ``tests/golden/public`` are the reference.
3. A field with a ``permission`` is left out for tokens that do not have it.
4. Events of the port pool, the volumes and the tokens are internal; no interface shows them.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, get_args, get_type_hints

import attrs

from actors.container import condensed, events
from actors.container.spec import ContainerSpec
from actors.kernel.journal import Recorded
from actors.remotesync.updates import Fault, Frame, Run, Status
from actors.tokens.grant import Grant
from lightd.api import container_fields


@attrs.frozen
class Field:
    """One field of an object: its name, here and as an attribute of the value.

    ``fields`` are those of the value if it is an object, or of each entry if it is a list of objects.
    ``permission`` is what a token needs to see the field; None: every token that may see the event.
    """

    name: str
    fields: tuple["Field", ...] = ()
    permission: str | None = None


def _fields(*names: str) -> tuple[Field, ...]:
    return tuple(map(Field, names))


_ADMIN: Final = "admin"
"""For passwords and for paths of the host."""

_SECRET: Final = {container_fields.ATTRIBUTES[name] for name in container_fields.SECRET}
_TYPES: Final = get_type_hints(ContainerSpec)
_VALUES: Final = "variables"
"""The values of an egg's variables, which can be passwords."""


def _of_spec(name: str) -> Field:
    """Return a field of ``ContainerSpec``, with the parts of its value."""
    kinds = (_TYPES[name], *get_args(_TYPES[name]))  # X, tuple[X, ...] and X | None
    parts = [part.name for kind in kinds if attrs.has(kind) for part in attrs.fields(kind)]
    fields = tuple(Field(part, permission=_ADMIN if part == _VALUES else None) for part in parts)
    return Field(name, fields, _ADMIN if name in _SECRET else None)


ATTEMPT, RUN, REASON = Field("attempt"), Field("run"), Field("reason")
PORTS, LIMITS, STOP = _of_spec("ports"), _of_spec("limits"), _of_spec("stop")
RESTART_POLICY: Final = _of_spec("restart_policy")
COMMAND: Final = _of_spec("startup_command")
SCRIPT: Final = _of_spec("install_script")
ENVIRONMENT: Final = _of_spec("environment")
INSTALL: Final = _of_spec("install")
REINSTALL: Final = (ATTEMPT, Field("image"), SCRIPT, Field("run_script"), Field("pull"), INSTALL)
TAIL: Final = Field("tail", permission="console.read")
SPEC: Final = Field("spec", tuple(_of_spec(field.name) for field in attrs.fields(ContainerSpec)))


def _to_exit(event: events.Exited) -> dict[str, Any]:
    beside = {"child_oom_killed": True} if event.child_oom_killed else {}
    return {"code": event.code, "oom_killed": event.oom_killed, "crashed": not event.expected, **beside}


def _to_failed_start(_event: events.StartFailed) -> dict[str, Any]:
    return {"code": None, "oom_killed": False, "crashed": True}


@attrs.frozen
class PublicEvent:
    """How one kind of event is shown.

    ``type`` is its name, ``fields`` are those of its ``data`` in a container's history. ``state`` is the
    ``data`` of the WebSocket frame that the event leads to, None if it leads to none; ``more`` returns
    further fields of that frame.
    """

    type: str
    fields: tuple[Field, ...] = ()
    state: str | None = None
    more: Callable[[Any], dict[str, Any]] | None = None

    def to_data(self, event: object, grant: Grant) -> dict[str, Any]:
        """Return the fields of ``event`` that ``grant`` may see, as JSON."""
        return _to_object(event, self.fields, grant)


def _to_object(value: object, fields: tuple[Field, ...], grant: Grant) -> dict[str, Any]:
    return {
        field.name: _to_json(getattr(value, field.name), field.fields, grant)
        for field in fields
        if field.permission is None or grant.allows(field.permission)
    }


def _to_json(value: Any, fields: tuple[Field, ...], grant: Grant) -> Any:  # noqa: ANN401 - any field's value
    if isinstance(value, Enum):
        return value.value
    if not fields or value is None:
        return value
    if isinstance(value, tuple):
        return [_to_object(entry, fields, grant) for entry in value]
    return _to_object(value, fields, grant)


PUBLIC: Final[Mapping[type, PublicEvent]] = MappingProxyType(
    {
        events.Created: PublicEvent("created", (ATTEMPT, SPEC), "installing"),
        events.Adopted: PublicEvent("adopted", (*_fields("attempt", "engine_id", "previous"), SPEC), "ready"),
        events.ImageEnsured: PublicEvent("image-ensured", (ATTEMPT,)),
        events.ScriptFinished: PublicEvent("script-finished", (ATTEMPT,)),
        events.Installed: PublicEvent("installed", _fields("attempt", "engine_id"), "ready"),
        events.InstallationFailed: PublicEvent(
            "installation-failed", _fields("attempt", "fault", "reason"), "failed"
        ),
        events.StartRequested: PublicEvent("start-requested", (RUN,), "starting"),
        events.Rebuilt: PublicEvent("rebuilt", _fields("engine_id")),
        events.Started: PublicEvent("started", _fields("run", "started_at")),
        events.PatternSeen: PublicEvent("pattern-seen", (RUN,)),
        events.HintGiven: PublicEvent("hint", _fields("run", "hint", "advice")),
        events.BecameReady: PublicEvent("became-ready", (RUN,), "running"),
        events.StartFailed: PublicEvent("start-failed", (RUN, REASON), "exit", _to_failed_start),
        events.StopRequested: PublicEvent("stop-requested", _fields("run", "follow"), "stopping"),
        events.StopTimedOut: PublicEvent("stop-timed-out", (RUN,)),
        events.KillRequested: PublicEvent("kill-requested", _fields("run", "follow"), "stopping"),
        events.Exited: PublicEvent(
            "exited",
            (
                *_fields("run", "code", "oom_killed", "expected", "started_at", "at", "reason"),
                TAIL,
                Field("child_oom_killed"),
            ),
            "exit",
            _to_exit,
        ),
        events.RestartScheduled: PublicEvent("restart-scheduled", _fields("run", "delay", "at")),
        events.RestartsGivenUp: PublicEvent("restarts-given-up", (RUN, REASON)),
        events.RestoreScheduled: PublicEvent("restore-scheduled", (RUN,)),
        events.RestartCalledOff: PublicEvent("restart-called-off", (RUN,)),
        events.FoundRunning: PublicEvent("found-running", _fields("run", "started_at"), "starting"),
        events.Vanished: PublicEvent("vanished", _fields("engine_id")),
        events.InstallationRepeated: PublicEvent("installation-repeated", REINSTALL, "installing"),
        events.ReinstallRequested: PublicEvent("reinstall-requested", REINSTALL),
        events.RebindRequested: PublicEvent("rebind-requested", (ATTEMPT, PORTS)),
        events.NewImageEnsured: PublicEvent("new-image-ensured", (ATTEMPT,)),
        events.ReinstallBegan: PublicEvent("reinstall-began", (ATTEMPT,), "installing"),
        events.NewScriptFinished: PublicEvent("new-script-finished", (ATTEMPT,)),
        events.CandidateBuilt: PublicEvent("candidate-built", _fields("attempt", "engine_id")),
        events.ReplacementBegan: PublicEvent("replacement-began", (ATTEMPT,)),
        events.ResumptionDecided: PublicEvent("resumption-decided", _fields("attempt", "resume")),
        events.Replaced: PublicEvent("replaced", (ATTEMPT,), "ready"),
        events.ChangeFailed: PublicEvent("change-failed", _fields("attempt", "fault", "reason")),
        events.ChangeAbandoned: PublicEvent(
            "change-abandoned", _fields("attempt", "fault", "reason"), "ready"
        ),
        events.Edited: PublicEvent(
            "edited",
            (
                COMMAND,
                Field("start_pattern"),
                ENVIRONMENT,
                STOP,
                RESTART_POLICY,
                LIMITS,
                *_fields("read_only", "image", "pull", "labels", "display_name", "entrypoint"),
                INSTALL,
                *_fields("start_texts", "file_denylist"),
                _of_spec("egg"),
                _of_spec("query"),
            ),
        ),
        events.LimitsApplied: PublicEvent("limits-applied", (LIMITS,)),
        events.LimitsRefused: PublicEvent("limits-refused", (LIMITS, REASON)),
        events.DeletionRequested: PublicEvent("deletion-requested"),
        events.Deleted: PublicEvent("deleted", (), "deleted"),
        condensed.Condensed: PublicEvent("condensed", _fields("created_at")),
    }
)
"""Every kind of event in a container's stream. A kind without a row fails ``tests/golden/test_public.py``."""


def to_history_entry(record: Recorded, grant: Grant) -> dict[str, Any]:
    """Return one entry of ``GET /containers/:id/events``, with the fields that ``grant`` may see."""
    public = PUBLIC[type(record.event)]
    return {
        "seq": record.position,
        "type": public.type,
        "at": record.at,
        "data": public.to_data(record.event, grant),
        "operation_id": record.cause,
    }


def to_state_frame(record: Recorded) -> dict[str, Any] | None:
    """Return the WebSocket frame of the state that ``record`` leads to, None if it leads to no other."""
    public = PUBLIC[type(record.event)]
    if public.state is None:
        return None
    more = {} if public.more is None else public.more(record.event)
    return {"event": "event", "seq": record.position, "data": public.state, **more}


def to_panel_body(server: str, frame: Frame) -> dict[str, Any]:
    """Return the JSON body of one update of ``server`` for the panel's ``POST /update``."""
    match frame:
        case Status():
            return {"event": "update", "server": server, "status": frame.status}
        case Fault():
            return {"event": "update", "server": server, "error": frame.error, "data": frame.reason}
        case Run(event="start"):
            return {"event": "start", "server": server, "at": frame.at}
        case Run():
            end = {"code": frame.code, "oom_killed": frame.oom_killed, "data": frame.reason}
            return {"event": frame.event, "server": server, "at": frame.at, **end}
