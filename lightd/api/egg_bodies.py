"""The bodies of requests about eggs, and about the variables of containers that were created from them."""

import codecs
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import attrs

from lightd.api import bodies
from lightd.api.container_fields import ContainerBody
from lightd.api.errors import bad_request
from lightd.eggs import limits
from lightd.validation import decoder
from lightd.validation.reading import fields_of
from lightd.validation.rules import Invalid, Rule
from lightd.validation.schema import Described, to_schema

EXAMPLE: Final = {
    "meta": {"version": "PLCN_v3"},
    "name": "Echo",
    "docker_images": {"Busybox": "busybox:stable"},
    "startup_commands": {"Default": "cat"},
    "variables": [],
}
"""A small egg."""
_FIELDS: Final = tuple(fields_of(ContainerBody))


def _to_text(value: object) -> str | dict[str, Any]:
    if not isinstance(value, str | dict):
        raise ValueError  # noqa: TRY004 - a JSON value of the wrong type
    return value


EggText = Annotated[
    Any,
    Rule(
        "an egg file: an object, or a text with JSON or YAML",
        _to_text,
        {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": True}]},
    ),
    Described("the egg file: an object, or a text with JSON or YAML", example=EXAMPLE),
]


@attrs.frozen
class EggImportBody:
    """An egg file, and the id that it gets. The egg file can also be the whole body, in JSON or YAML."""

    egg: EggText
    id: Annotated[bodies.EggId, Described("the id; default: made of the egg's name")] = ""


@attrs.frozen
class EggCheckBody:
    """An egg file and what is asked about it. The egg file can also be the whole body, in JSON or YAML."""

    egg: Annotated[EggText, Described("the egg file, or the id of a stored egg")]
    variables: bodies.Variables = ()
    image: Annotated[
        bodies.Text, Described("the name of one of its images, or an image", example="Java 21")
    ] = ""


@attrs.frozen
class EggUpgradeBody:
    """The version of its egg that a container gets."""

    version: Annotated[bodies.EggVersion | None, Described("the version; default: the newest")] = None


@attrs.frozen
class VariablesBody:
    """The new values of variables, by their names; null is the default of the egg."""


def _to_naming(value: object) -> tuple[str, str | None]:
    """Return an egg's id and its version, None for the newest one."""
    naming = {"id": value} if isinstance(value, str) else value
    if not isinstance(naming, dict) or "id" not in naming or set(naming) - {"id", "version", "variables"}:
        raise ValueError
    egg_id: str = bodies.EGG_ID.read(naming["id"])
    version = naming.get("version")
    return egg_id, None if version is None else bodies.EGG_VERSION.read(version)


EggNaming = Annotated[
    Any,
    Rule(
        "the id of an egg, or an object with its id and version",
        _to_naming,
        {
            "anyOf": [
                to_schema(bodies.EggId),
                {
                    "type": "object",
                    "properties": {
                        "id": to_schema(bodies.EggId),
                        "version": to_schema(bodies.EggVersion),
                        "variables": to_schema(bodies.Variables),
                    },
                    "required": ["id"],
                    "additionalProperties": False,
                },
            ]
        },
        obvious=True,
    ),
    Described(
        "the egg that it is created from: its id, or an object with its `id` and one of its versions "
        "(default: the newest). Fields that are given replace those of the egg"
    ),
]
_CHANGED: Final[Mapping[str, Any]] = {
    "image": Annotated[
        bodies.Text | None,
        Described(
            "the image of the container; required without `egg`. With `egg`: the name of one of its images, "
            "or another image; default: its first one",
            example="ghcr.io/parkervcp/yolks:java_21",
        ),
    ],
    "egg": EggNaming,
    "variables": bodies.Variables,
}
NewContainerBody: Final[type[Any]] = attrs.make_class(
    "ContainerBody",
    {
        name: attrs.field(default=None if name in _CHANGED else default, type=annotation)
        for name, annotation, default in (
            *((each.name, _CHANGED.get(each.key, each.annotation), each.default) for each in _FIELDS),
            ("variables", _CHANGED["variables"], None),
        )
    },
    frozen=True,
    kw_only=True,
)
"""The body of a request for a container, with or without an egg."""
NewContainerBody.__doc__ = "A new container."


@attrs.frozen
class EggRequest:
    """A request for a container from an egg: the egg, values of its variables, and the other ``fields``.

    Without ``version`` it is the newest one.
    """

    egg_id: str
    version: str | None
    variables: tuple[tuple[str, str], ...]
    fields: Mapping[str, Any]


def to_egg_request(body: Any, plain: Mapping[str, Any]) -> EggRequest:  # noqa: ANN401 - a NewContainerBody
    """Return the request for a container from an egg that ``body`` is; it was read from ``plain``."""
    naming = plain["egg"]
    inner = naming.get("variables") if isinstance(naming, dict) else None
    if inner is not None and body.variables is not None:
        raise bad_request("variables: are given twice")
    variables = body.variables if inner is None else _read("egg.variables", bodies.VARIABLES, inner)
    fields = {name: value for name, value in plain.items() if name not in ("egg", "variables")}
    egg_id, version = body.egg
    return EggRequest(egg_id, version, variables or (), fields)


def to_changes(plain: object) -> dict[str, str | None]:
    """Return the new values of variables; None is the default. Raises a 400."""
    if not isinstance(plain, dict):
        raise bad_request("the body must be a JSON object")
    values = {name: "" if value is None else value for name, value in plain.items()}
    pairs = dict(_read("variables", bodies.VARIABLES, values))
    return {name: None if plain[name] is None else value for name, value in pairs.items()}


def to_envelope(raw: bytes) -> dict[str, Any] | None:
    """Return the object in a body that has the egg file in its field ``egg``.

    None if the body is the egg file itself, which always has ``meta``, or is neither.
    """
    text = raw.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text.startswith(b"{"):
        return None
    try:
        plain = decoder.decode(text.decode())
    except (ValueError, RecursionError):
        return None  # what is wrong is said by the reader of egg files
    return plain if isinstance(plain, dict) and "egg" in plain and "meta" not in plain else None


def to_bytes(egg: str | dict[str, Any]) -> bytes:
    """Return the egg file that is in the field of a body."""
    if isinstance(egg, str):
        return egg.encode()
    return json.dumps(egg, indent=0).encode()  # indented: in steps, which let the event loop run


def is_id(egg: object) -> bool:
    """Whether ``egg`` in a body is the id of a stored egg instead of an egg file."""
    return isinstance(egg, str) and limits.ID.fullmatch(egg) is not None


def _read(name: str, rule: Rule, value: object) -> Any:  # noqa: ANN401 - of the rule's type
    try:
        return rule.read(value)
    except Invalid as error:
        raise bad_request(f"{name}: {error}") from None
