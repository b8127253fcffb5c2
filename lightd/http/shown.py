"""A container and its events, as a client sees them."""

import json
from typing import Any

from actors.container.fleet import Member
from actors.container.spec import PortBinding
from actors.kernel.journal import Recorded
from lightd.journal.codec import Codec

_CODEC = Codec()


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


def to_details(member: Member) -> dict[str, Any]:
    """Return all that is known of a container."""
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
        "mount": {mount.target: mount.source for mount in spec.mounts},
        "install_script": spec.install_script,
        "environment": dict(spec.environment),
        "user": spec.user,
        "tty": spec.tty,
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


def to_event(record: Recorded) -> dict[str, Any]:
    """Return one entry of a container's history."""
    kind, _, data = _CODEC.encode(record.event)
    name = kind.removeprefix("container.")
    fields = json.loads(data)
    return {
        "seq": record.position,
        "type": name,
        "at": record.at,
        "data": fields,
        "operation_id": record.cause,
    }
