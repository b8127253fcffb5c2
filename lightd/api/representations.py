"""A container and its events, as a client sees them."""

import json
from typing import Any

from actors.container.fleet import Member
from actors.container.spec import Mount, PortBinding
from actors.kernel.journal import Condensed, Recorded
from actors.tokens.grant import Grant
from lightd.journal.codec import Codec

_CODEC = Codec()

SECRET = frozenset({"environment", "install_script", "startup_command", "mount", "mounts"})
"""What may hold a password, or a path of the host: shown to those alone who may set it (``admin``)."""

PRINTED = frozenset({"tail"})
"""What was on the console (``console.read``)."""


def hidden_from(grant: Grant) -> frozenset[str]:
    """Return the names of what the bearer isn't shown of a container and its history."""
    secret = frozenset() if grant.allows("admin") else SECRET
    return secret if grant.allows("console.read") else secret | PRINTED


def without(value: Any, hidden: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    """Return ``value`` without the fields of these names, however deep they are."""
    if isinstance(value, dict):
        return {name: without(each, hidden) for name, each in value.items() if name not in hidden}
    return [without(each, hidden) for each in value] if isinstance(value, list) else value


def to_row(member: Member) -> dict[str, Any]:
    """Return a container's row in the list."""
    state, spec = member.state, member.state.spec
    return {
        "internal_id": member.internal_id,
        "container_id": state.engine_id,
        "install_state": "failed" if spec is None else state.install_state,  # its history can't be read
        "state": state.power_state,
        "image": None if spec is None else spec.image,
        "ports": [] if spec is None else [_to_port(port) for port in spec.ports],
        "quarantined": member.place.quarantined,
    }


def _to_port(port: PortBinding) -> dict[str, Any]:
    return {
        "ip": port.ip,
        "port": port.port,
        "protocol": port.protocol,
        "container_port": port.container_port,
    }


def to_details(member: Member, grant: Grant) -> dict[str, Any]:
    """Return all that is known of a container, as far as the bearer may know."""
    details = _to_details(member)
    if grant.allows("admin"):
        return details
    return {name: value for name, value in details.items() if name not in SECRET}


def _to_mount(mount: Mount) -> str | dict[str, Any]:
    """Return a mount in the shape in which it may be asked for."""
    return {"source": mount.source, "read_only": True} if mount.read_only else mount.source


def _to_details(member: Member) -> dict[str, Any]:
    view, state = member.view, member.state
    if state.spec is None:
        return to_row(member)
    spec = state.spec
    return {
        **to_row(member),
        "volume_id": spec.volume_id,
        "startup_command": spec.startup_command,
        "start_pattern": spec.start_pattern,
        "limits": {"memory": spec.limits.memory, "cpu": spec.limits.cpu, "pids": spec.limits.pids},
        "mount": {mount.target: _to_mount(mount) for mount in spec.mounts},
        "install_script": spec.install_script,
        "environment": dict(spec.environment),
        "user": spec.user,
        "tty": spec.tty,
        "read_only": spec.read_only,
        "stop": {"type": spec.stop.type, "value": spec.stop.value, "timeout": spec.stop.timeout},
        "restart_policy": {
            "mode": spec.restart_policy.mode,
            "max": spec.restart_policy.max,
            "within": spec.restart_policy.within,
        },
        "error": state.error,
        "exit": None
        if state.exit is None
        else {"code": state.exit.code, "oom_killed": state.exit.oom_killed, "at": state.exit.at},
        "started_at": state.started_at,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
        "version": view.version,
    }


def to_event(record: Recorded, grant: Grant) -> dict[str, Any]:
    """Return one entry of a container's history, as far as the bearer may know it."""
    event = record.event
    kind, _, data = _CODEC.encode(event)
    name = kind.removeprefix("container.")
    hidden = hidden_from(grant)
    fields = {"created_at": event.created_at} if isinstance(event, Condensed) else json.loads(data)
    return {
        "seq": record.position,
        "type": name,
        "at": record.at,
        "data": without(fields, hidden) if hidden else fields,
        "operation_id": record.cause,
    }
