"""Containers that are created from eggs: what a request, an egg and the values of its variables make.

Pure, but not quick: an egg has up to 1,000 variables with rules. Call it in a thread. What parses eggs is
imported here and nowhere else in the API, so a daemon without eggs does not load it: import this module in
the thread, too.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from actors.container import messages
from actors.container.spec import ContainerSpec, EggUse, Installer
from lightd.api import container_fields
from lightd.api.container_fields import ContainerBody
from lightd.api.egg_bodies import EggRequest
from lightd.api.errors import ApiError, bad_request
from lightd.eggs import check
from lightd.eggs.egg import Egg, Variable
from lightd.eggs.limits import MOST_CHARACTERS
from lightd.eggs.store import Stored
from lightd.validation.reading import Mistakes
from lightd.validation.reading import read as read_fields

FIELDS: Final = (
    *("startup_command", "start_texts", "start_pattern", "stop", "file_denylist", "install"),
    *("image", "pull"),
)
"""The fields of a container that an egg sets."""
MOST_NAMED: Final = 10
"""Mistakes that an error lists."""


@attrs.frozen
class FromEgg:
    """The body of a container that is created from an egg, and what must be filled in before its start."""

    body: ContainerBody
    missing: Mapping[str, str]


@attrs.frozen
class Upgrade:
    """An edit that gives a container another version of its egg, and what that changes.

    ``changed`` and ``kept`` are names of fields: those that follow the egg, and those that somebody has set
    to something else. ``added``, ``removed`` and ``reset`` are names of variables; ``reset`` ones had the old
    default, and get the new one.
    """

    edit: messages.Edit
    changed: tuple[str, ...]
    kept: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reset: tuple[str, ...]
    missing: Mapping[str, str]


def to_body(request: EggRequest, stored: Stored, *, images: bool) -> FromEgg:
    """Return the container that ``request`` means, with the version ``stored`` of the egg; raises a 400.

    ``images``: the engine has images, so the egg's image starts itself.
    """
    values = _to_values(stored.egg, dict(request.variables))
    given = dict(request.fields)
    image, command = given.pop("image", None), given.pop("startup_command", None)
    fields = check.to_fields(stored.egg, image or "", command or "")
    if not images:
        fields["entrypoint"] = "shell"
    use = {"id": stored.id, "version": stored.version, "variables": values}
    body = _read({**fields, **given, "egg": use})
    named = {port.name: str(port.container_port or port.port) for port in body.ports if port.name is not None}
    effective = values | named | dict(body.environment)
    return FromEgg(body, check.find_missing(stored.egg, effective))


def check_fields(egg: Egg, image: str) -> None:
    """Raise a 400 if no container can be created with the fields of ``egg``."""
    nothing = {"internal_id": "check", "volume_id": "00000000-0000-0000-0000-000000000000"}
    container_fields.to_values(_read({**nothing, **check.to_fields(egg, image)}))


def to_report(egg: Egg, variables: Mapping[str, str], image: str) -> dict[str, Any]:
    """Return what would be created with these values; raises a 400."""
    try:
        report = check.to_report(egg, variables, image)
    except check.UnfitError as error:
        raise bad_request(_to_sentence(error.mistakes)) from None
    check_fields(egg, image)
    return report


def to_shown(egg: Egg, spec: ContainerSpec, *, everything: bool) -> list[dict[str, Any]]:
    """Return the variables of a container: all of them, or those that users may see."""
    values = _to_effective(egg, spec)
    return [
        {
            "name": each.name,
            "env": each.env,
            "description": each.description,
            "default": each.default,
            "value": values[each.env],
            "rules": [rule.text for rule in each.rules],
            "user_editable": each.user_editable,
            "user_viewable": each.user_viewable,
            "problem": check.find_problem(each, values[each.env]),
        }
        for each in egg.variables
        if everything or each.user_viewable
    ]


def to_missing(egg: Egg, spec: ContainerSpec, *, everything: bool = True) -> dict[str, str]:
    """Return what must be filled in before a start: of all variables, or of those that users reach."""
    reached = {each.env for each in egg.variables if everything or _is_reached(each)}
    missing = check.find_missing(egg, _to_effective(egg, spec))
    return {name: problem for name, problem in missing.items() if name in reached}


def to_changed(
    egg: Egg, spec: ContainerSpec, given: Mapping[str, str | None], *, everything: bool
) -> messages.Edit:
    """Return the edit that gives variables new values; None is the default of the egg.

    Raises a 400 for values that violate the rules and for variables that do not exist, or that users neither
    see nor change; a 403 for others that users may not change.
    """
    use = _to_use(spec)
    known = {each.env: each for each in egg.variables if everything or _is_reached(each)}
    if unknown := [name for name in given if name not in known]:
        raise bad_request(_to_sentence(dict.fromkeys(unknown, "the egg has no such variable")))
    if fixed := [name for name in given if not everything and not known[name].user_editable]:
        problem = "this token may not change it"
        raise ApiError("permission_denied", _to_sentence(dict.fromkeys(fixed, problem)))
    new = {name: value for name, value in given.items() if value is not None}
    _to_values(egg, new)
    old = dict(use.variables)
    values = {each.env: old.get(each.env, each.default) for each in egg.variables} | new
    values |= {name: known[name].default for name, value in given.items() if value is None}
    _check_size(values)
    changed = attrs.evolve(use, variables=tuple(values.items()))
    return messages.Edit() if changed == use else messages.Edit(egg=changed, egg_before=use)


def to_upgrade(spec: ContainerSpec, old: Stored, new: Stored) -> Upgrade:
    """Return how a container with ``spec`` gets the version ``new`` of its egg, of which it has ``old``.

    A field that is as ``old`` made it becomes as ``new`` makes it; any other one is kept. Raises a 400.
    """
    use, earlier = _to_use(spec), old.egg
    image = next((name for name in earlier.images if check.to_image(earlier, name)[0] == spec.image), "")
    command = next((name for name, text in earlier.startups.items() if text == spec.startup_command), "")
    before = _to_attributes(earlier, spec, image, command)
    after = _to_attributes(
        new.egg,
        spec,
        image if image in new.egg.images else "",
        command if command in new.egg.startups else "",
    )
    ours = [name for name in FIELDS if getattr(spec, name) == getattr(before, name)]
    changed = [name for name in ours if getattr(spec, name) != getattr(after, name)]
    kept = [name for name in FIELDS if name not in ours and getattr(before, name) != getattr(after, name)]
    values, reset = _to_upgraded(dict(use.variables), earlier, new.egg)
    known = [each.env for each in earlier.variables]
    upgraded = EggUse(new.id, new.version, tuple(values.items()))
    edit = messages.Edit(
        egg=upgraded,
        egg_before=use,
        **{name: _to_edited(name, getattr(after, name)) for name in changed},
    )
    return Upgrade(
        edit if new.version != old.version else messages.Edit(),
        tuple(changed),
        tuple(kept),
        tuple(name for name in values if name not in known),
        tuple(name for name in known if name not in values),
        tuple(reset),
        to_missing(new.egg, attrs.evolve(spec, egg=upgraded)),
    )


def _to_upgraded(values: Mapping[str, str], old: Egg, new: Egg) -> tuple[dict[str, str], list[str]]:
    """Return the values that the variables of ``new`` have, and the names of those that are reset."""
    defaults = {each.env: each.default for each in old.variables}
    found, reset = {}, []
    for each in new.variables:
        value = values.get(each.env, each.default)
        if each.env in values and each.env in defaults and value == defaults[each.env] != each.default:
            reset.append(each.env)
            value = each.default
        found[each.env] = value
    _check_size(found)
    return found, reset


def _to_attributes(egg: Egg, spec: ContainerSpec, image: str, command: str) -> ContainerSpec:
    """Return ``spec`` with what ``egg`` sets, with its image and its command of these names."""
    fields = check.to_fields(egg, image, command)
    body = _read({"internal_id": spec.internal_id, "volume_id": spec.volume_id, **fields})
    values = container_fields.to_values(body)
    nothing = {"install": None, "start_pattern": None, "pull": "missing"}
    return attrs.evolve(spec, **{name: {**nothing, **values}[name] for name in FIELDS})


def _to_edited(name: str, value: Any) -> Any:  # noqa: ANN401 - the value of any field
    """Return what an edit says where a field has no value any more."""
    if value is None:
        return Installer("", "", "") if name == "install" else ""
    return value


def _is_reached(variable: Variable) -> bool:
    return variable.user_viewable or variable.user_editable


def _to_use(spec: ContainerSpec) -> EggUse:
    if spec.egg is None:
        raise TypeError(f"{spec.internal_id} was not created from an egg")
    return spec.egg


def _to_effective(egg: Egg, spec: ContainerSpec) -> dict[str, str]:
    """Return the values that the variables have in the environment of the server."""
    values = dict(_to_use(spec).variables)
    named = {port.name: str(port.container_port) for port in spec.ports if port.name is not None}
    values |= named | dict(spec.environment)
    return {each.env: values.get(each.env, each.default) for each in egg.variables}


def _to_values(egg: Egg, given: Mapping[str, str]) -> dict[str, str]:
    try:
        return check.to_values(egg, given)[0]
    except check.UnfitError as error:
        raise bad_request(_to_sentence(error.mistakes)) from None


def _check_size(values: Mapping[str, str]) -> None:
    if sum(len(name) + len(value) for name, value in values.items()) > MOST_CHARACTERS:
        raise bad_request(f"variables: must not have more than {MOST_CHARACTERS} characters together")


def _to_sentence(mistakes: Mapping[str, str]) -> str:
    lines = [f"variables.{name[:80]}: {problem}" for name, problem in mistakes.items()]
    more = len(lines) - MOST_NAMED
    return "; ".join(lines[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _read(fields: Mapping[str, Any]) -> ContainerBody:
    mistakes: Mistakes = {}
    body = read_fields(ContainerBody, dict(fields), mistakes)
    if mistakes:
        raise bad_request(
            "; ".join(f"{path}: {problem}" for path, problem in list(mistakes.items())[:MOST_NAMED])
        )
    return body
