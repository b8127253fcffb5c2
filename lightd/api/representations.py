"""The JSON form of a container in responses."""

from typing import Any

import attrs

from actors.container.fleet import Member
from actors.container.spec import PortBinding
from actors.tokens.grant import Grant
from lightd.api import container_fields

_PORT = tuple(field.name for field in attrs.fields(PortBinding))
"""The fields of a port in a row; ``attrs.asdict`` would take a quarter of the time of a list."""


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
        "labels": {} if spec is None else dict(spec.labels),
        "display_name": (spec and spec.display_name) or None,
    }


def _to_port(port: PortBinding) -> dict[str, Any]:
    return {name: getattr(port, name) for name in _PORT}


def to_details(member: Member, grant: Grant) -> dict[str, Any]:
    """Return a container in detail, with the fields that ``grant`` may see."""
    details = _to_details(member)
    if grant.allows("admin"):
        return details
    return {name: value for name, value in details.items() if name not in container_fields.SECRET}


def _to_details(member: Member) -> dict[str, Any]:
    view, state = member.view, member.state
    if state.spec is None:
        return to_row(member)
    return {
        **to_row(member),
        **container_fields.to_json(state.spec),
        "error": state.error or member.console.trouble or None,
        "exit": None
        if state.exit is None
        else {"code": state.exit.code, "oom_killed": state.exit.oom_killed, "at": state.exit.at},
        "started_at": state.started_at,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
        "version": view.version,
    }
