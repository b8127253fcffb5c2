"""Imports containers from a panel's configuration: read, checked and created as by ``POST /containers``."""

import attrs

from actors.container.fleet import Member
from actors.container.spec import ContainerSpec
from actors.kernel.decider import Rejection
from lightd.api.commands import new_operation_id
from lightd.api.container_fields import ContainerBody
from lightd.api.errors import ApiError, not_found
from lightd.api.panel_exchange import Adopt, Conflict
from lightd.api.specs import to_spec
from lightd.http.volume_users import with_user
from lightd.http.wire import read
from lightd.system import System

OURS_ALONE = frozenset({"install_timeout"})
"""Fields of a spec that no request can set."""


def to_adopt(system: System) -> Adopt:
    """Return a function that creates a container of the panel's in ``system`` if it is missing."""

    async def adopt(entry: object) -> Conflict | None:
        named = entry.get("internal_id") if isinstance(entry, dict) else None
        internal_id = named[:63] if isinstance(named, str) else None
        try:
            body = read(ContainerBody, entry)
            spec = await to_spec(body, system.config.docker)
            member = system.fleet.get(spec.internal_id)
            if member is None:
                await _create(system, spec)
                return None
        except (ApiError, Rejection) as refusal:
            return Conflict(internal_id, refusal.message)
        return _compare(member, spec, default_user=body.user is None)

    return adopt


async def _create(system: System, spec: ContainerSpec) -> None:
    if spec.volume_id not in system.volumes.view.state.volumes:
        raise not_found("volume")
    while not system.fleet.engine_up.value:
        await system.fleet.engine_up.wake.wait()
    await system.create_container(await with_user(system, spec), new_operation_id())


def _compare(member: Member, asked: ContainerSpec, *, default_user: bool) -> Conflict | None:
    present = member.state.spec
    if present is None:
        return Conflict(asked.internal_id, "it is here, but its history cannot be read")
    differing = [
        field.name
        for field in attrs.fields(ContainerSpec)
        if field.name not in OURS_ALONE
        and not (field.name == "user" and default_user)
        and getattr(present, field.name) != getattr(asked, field.name)
    ]
    if not differing:
        return None
    return Conflict(asked.internal_id, f"it is here with something else in {', '.join(differing)}")
