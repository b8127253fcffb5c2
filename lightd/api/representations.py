"""The JSON form of a container in responses."""

from typing import Any

from actors.container.fleet import Member
from actors.container.spec import Mount, PortBinding
from actors.tokens.grant import Grant

SECRET = frozenset({"environment", "install_script", "startup_command", "mount"})
"""Fields that can contain a password or a path of the host: shown only to tokens with ``admin``."""


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
        "quarantined": member.handle.quarantined,
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
