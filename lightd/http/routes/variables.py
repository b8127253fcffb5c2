"""The routes of a container's egg: the values of its variables, and other versions of the egg."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
from quart import Response

from actors.container import messages
from actors.container.fleet import Member
from actors.container.spec import ContainerSpec, EggUse
from actors.kernel.decider import Rejection
from lightd.access import rates, scopes
from lightd.api import bodies
from lightd.api.commands import begin_operation, settle
from lightd.api.container_fields import AT_NEXT_START
from lightd.api.egg_bodies import EggUpgradeBody, VariablesBody, to_changes
from lightd.api.errors import ApiError
from lightd.eggs.store import Stored
from lightd.http.error_codes import CHANGES, CONTAINER, JSON
from lightd.http.identity import of_request
from lightd.http.openapi.answers import MISSING
from lightd.http.openapi.schemas import FLAG, TEXT, described, many, message, record, words
from lightd.http.route import Body, Route
from lightd.http.routes.containers import ask, find
from lightd.http.wire import from_text, loads, read, take_body, to_text
from lightd.system import System
from lightd.validation.schema import Schema, nullable, to_schema

if TYPE_CHECKING:
    from lightd.api.egg_containers import Upgrade

TRIES: Final = 8
"""How often a change is made again because another one of the same container came first."""


async def show(system: System, internal_id: str) -> Response:
    spec, use = _to_use(find(system, internal_id))
    stored = await system.eggs.read(use.id, use.version)
    everything = of_request().grant.allows("admin")
    return from_text(await system.eggs.run(partial(_to_shown, stored, spec, everything=everything)))


async def change(system: System, internal_id: str) -> Response:
    given = await take_body(lambda raw: to_changes(loads(raw)))
    member = find(system, internal_id)
    everything = of_request().grant.allows("admin")
    system.rates.spend(rates.CHANGING, internal_id, of_request())

    async def make(spec: ContainerSpec, use: EggUse) -> tuple[messages.Edit, str]:
        stored = await system.eggs.read(use.id, use.version)
        return await system.eggs.run(partial(_to_edit, stored, spec, given, everything=everything))

    return from_text(await _edit(system, member, make))


async def upgrade(system: System, internal_id: str) -> Response:
    body = await take_body(lambda raw: read(EggUpgradeBody, loads(raw) if raw.strip() else {}))
    member = find(system, internal_id)
    system.rates.spend(rates.CHANGING, internal_id, of_request())

    async def make(spec: ContainerSpec, use: EggUse) -> tuple[messages.Edit, str]:
        chosen = body.version or system.eggs.find(use.id).newest
        system.eggs.find(use.id, chosen)
        old, new = await system.eggs.read(use.id, use.version), await system.eggs.read(use.id, chosen)
        return await system.eggs.run(partial(_to_upgrade, spec, old, new))

    return from_text(await _edit(system, member, make))


Make = Callable[[ContainerSpec, EggUse], Awaitable[tuple[messages.Edit, str]]]
"""Returns an edit of a container with an egg, and the response to it."""


async def _edit(system: System, member: Member, make: Make) -> str:
    """Carry out an edit of the container's egg, and return the response.

    It is made again if the egg or a variable was changed meanwhile: the actor rejects it then.
    """
    tries = TRIES
    while True:
        tries -= 1
        spec, use = _to_use(member)
        edit, answer = await make(spec, use)
        if edit.egg is None:
            return answer
        try:
            with system.eggs.hold(edit.egg.id, edit.egg.version):
                await settle(partial(ask, system, member, edit, begin_operation("edit")))
        except Rejection:
            if tries and member.state.spec is not None and member.state.spec.egg != use:
                continue
            raise
        return answer


def _to_use(member: Member) -> tuple[ContainerSpec, EggUse]:
    """Return what the container is, and its egg; raises a 409 if it was not created from one."""
    spec = member.state.spec
    if spec is None or spec.egg is None:
        message = f"container {member.internal_id} was not created from an egg"
        raise ApiError("not_from_egg", message)
    return spec, spec.egg


# In threads: each of these loads what parses eggs, and takes time for each variable.


def _to_shown(stored: Stored, spec: ContainerSpec, *, everything: bool) -> str:
    from lightd.api import egg_containers  # noqa: PLC0415 - see above

    rows = egg_containers.to_shown(stored.egg, spec, everything=everything)
    missing = egg_containers.to_missing(stored.egg, spec, everything=everything)
    named = {"id": stored.id, "version": stored.version}
    return to_text({"egg": named, "variables": rows, "missing": missing})


def _to_edit(
    stored: Stored, spec: ContainerSpec, given: dict[str, str | None], *, everything: bool
) -> tuple[messages.Edit, str]:
    from lightd.api import egg_containers  # noqa: PLC0415 - see above

    edit = egg_containers.to_changed(stored.egg, spec, given, everything=everything)
    changed = spec if edit.egg is None else attrs.evolve(spec, egg=edit.egg)
    missing = egg_containers.to_missing(stored.egg, changed, everything=everything)
    return edit, to_text({"message": "Variables updated", "at_next_start": list(given), "missing": missing})


def _to_upgrade(spec: ContainerSpec, old: Stored, new: Stored) -> tuple[messages.Edit, str]:
    from lightd.api import egg_containers  # noqa: PLC0415 - see above

    made: Upgrade = egg_containers.to_upgrade(spec, old, new)
    later = [name for name in made.changed if name in AT_NEXT_START]
    shown = {
        "message": "Egg upgraded" if made.edit.egg is not None else "It has this version already",
        "egg": {"id": new.id, "version": new.version},
        "previous_version": old.version,
        "applied": [name for name in made.changed if name not in later],
        "at_next_start": later,
        "kept": list(made.kept),
        "variables": {"added": list(made.added), "removed": list(made.removed), "reset": list(made.reset)},
        "missing": dict(made.missing),
    }
    return made.edit, to_text(shown)


_NAMED = record(
    {"id": to_schema(bodies.EggId), "version": to_schema(bodies.EggVersion)}, means="The egg of a container."
)
_NAMES = many(TEXT)
_VALUES: Schema = {
    "type": "object",
    "description": "The new values of variables, by their names; null is the default of the egg.",
    "additionalProperties": nullable({"type": "string"}),
    "examples": [{"SERVER_NAME": "Survival"}],
}
_ROW = record(
    {
        "name": described(TEXT, "its name for people", example="Server name"),
        "env": described(TEXT, "its name in the environment, and in requests", example="SERVER_NAME"),
        "description": described(TEXT, "what it is for", example="The name in the list of servers"),
        "default": described(TEXT, "the value that the egg gives it", example="A server"),
        "value": described(TEXT, "its value from the next start on", example="Survival"),
        "rules": described(_NAMES, "what its value must satisfy", example=["required", "string", "max:20"]),
        "user_editable": described(FLAG, "whether tokens without `admin` can change it", example=True),
        "user_viewable": described(FLAG, "whether tokens without `admin` can see it", example=True),
        "problem": nullable(
            described(
                TEXT, "what must be corrected before a start; null if nothing", example="must have a value"
            )
        ),
    },
    means="A variable of an egg.",
)
_ADDED = described(_NAMES, "variables that only the new version has", example=["DIFFICULTY"])
_REMOVED = described(_NAMES, "variables that it has no longer", example=["OLD_NAME"])
_RESET = described(_NAMES, "variables that had the old default, and get the new one", example=["VERSION"])

ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/variables",
        permission="startup",
        subject=scopes.Container,
        handler=show,
        name="show_variables",
        summary="Show the variables of a container",
        text="Of a container that was created from an egg. A token without `admin` sees the variables that the egg "
        "shows to users.",
        before="""call $url/eggs -d '{"id":"named","egg":{"meta":{"version":"PLCN_v3"},"name":"Named","docker_images":{"Busybox":"'${IMAGE:-busybox:stable}'"},"startup_commands":{"Default":"cat"},"variables":[{"name":"Name","env_variable":"NAME","default_value":"x","user_viewable":true,"user_editable":true,"rules":["required","max:20"]}]}}'
call "$url/containers?wait=60" -d '{"internal_id":"server-002","volume_id":"'$volume'","egg":"named","variables":{"NAME":"Survival"}}'""",
        curl="call $url/containers/server-002/variables",
        answer=record(
            {"egg": _NAMED, "variables": described(many(_ROW), "the variables"), "missing": MISSING}
        ),
        errors=(*CONTAINER, "not_from_egg", "egg_not_found", "egg_damaged"),
    ),
    Route(
        method="PATCH",
        path="/containers/{internal_id}/variables",
        permission="startup",
        subject=scopes.Container,
        handler=change,
        name="change_variables",
        summary="Change variables of a container",
        text="The values apply from the next start on; others are kept. A value that violates the rules of its "
        "variable is a 400. A token without `admin` changes the variables that the egg lets users change.",
        curl="""call -X PATCH $url/containers/server-002/variables -d '{"NAME":"Creative"}'""",
        body=Body(VariablesBody, schema=_VALUES),
        answer=record(
            {
                "message": message("Variables updated"),
                "at_next_start": described(
                    _NAMES, "the variables that apply from the next start", example=["NAME"]
                ),
                "missing": MISSING,
            }
        ),
        errors=(*CHANGES, *JSON, "not_from_egg", "egg_not_found", "egg_damaged"),
    ),
    Route(
        method="POST",
        path="/containers/{internal_id}/egg",
        permission="admin",
        subject=scopes.Container,
        handler=upgrade,
        name="upgrade_egg",
        summary="Give a container another version of its egg",
        text="The newest one by default. Fields that are as the old version made them follow the new one; those that "
        "somebody has changed are kept. Files in the volume are not changed, and no installer is run.",
        curl="call -X POST $url/containers/server-002/egg",
        body=Body(EggUpgradeBody, required=False),
        answer=record(
            {
                "message": words("Egg upgraded", "It has this version already"),
                "egg": _NAMED,
                "previous_version": described(to_schema(bodies.EggVersion), "the version that it had"),
                "applied": described(_NAMES, "the fields that were changed at once", example=["stop"]),
                "at_next_start": described(
                    _NAMES, "the fields that change at the next start", example=["image"]
                ),
                "kept": described(
                    _NAMES,
                    "fields that the new version changes, but that are not the egg's any more",
                    example=[],
                ),
                "variables": record(
                    {"added": _ADDED, "removed": _REMOVED, "reset": _RESET},
                    means="What changes of the variables.",
                ),
                "missing": MISSING,
            }
        ),
        errors=(*CHANGES, *JSON, "not_from_egg", "egg_not_found", "egg_damaged"),
    ),
)
