"""The JSON form of a container in responses."""

from typing import Any

from actors.container.fleet import Member
from actors.container.state import Exit
from actors.tokens.grant import Grant
from lightd.api import container_fields


def to_row(member: Member, grant: Grant) -> dict[str, Any]:
    """Return a container's row in the list, with the fields that ``grant`` may see."""
    row, stats = _to_row(member), member.stats.value
    if grant.allows("stats"):
        row["cpu_usage"] = None if stats is None else stats.cpu_usage
        row["memory_usage"] = None if stats is None else stats.memory_usage
    return row


def _to_row(member: Member) -> dict[str, Any]:
    state, spec = member.state, member.state.spec
    return {
        "internal_id": member.internal_id,
        "container_id": state.engine_id,
        "install_state": "failed" if spec is None else state.install_state,  # its history can't be read
        "state": state.power_state,
        "image": None if spec is None else spec.image,
        "ports": [] if spec is None else [container_fields.to_port(port) for port in spec.ports],
        "quarantined": member.handle.quarantined,
        "labels": {} if spec is None else dict(spec.labels),
        "display_name": (spec and spec.display_name) or None,
        "volume_id": None if spec is None else spec.volume_id,
        "exit": None if state.exit is None else _to_exit(state.exit),
        "started_at": state.started_at,
        "created_at": member.view.created_at,
    }


def _to_exit(ended: Exit) -> dict[str, Any]:
    return {"code": ended.code, "oom_killed": ended.oom_killed, "at": ended.at, "crashed": ended.crashed}


def to_details(member: Member, grant: Grant) -> dict[str, Any]:
    """Return a container in detail, with the fields that ``grant`` may see."""
    details = _to_details(member)
    if grant.allows("admin"):
        return details
    return {name: value for name, value in details.items() if name not in container_fields.SECRET}


def _to_details(member: Member) -> dict[str, Any]:
    view, state = member.view, member.state
    if state.spec is None:
        return _to_row(member)
    return {
        **_to_row(member),
        **container_fields.to_json(state.spec),
        "error": state.error or member.console.trouble or None,
        "updated_at": view.updated_at,
        "version": view.version,
    }
