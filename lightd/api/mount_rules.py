"""The rule of mounts: paths in a container, each with the path of the host that it shows."""

from typing import Any, Final

from actors.container.spec import Mount
from lightd.validation.rules import Invalid

_RESERVED_TARGETS = ("/home/container", "/app/data", "/proc", "/sys", "/dev")
_MOST_MOUNTS = 64  # each is looked at, before every start
_A_PATH = r"^(?:/(?!\.{1,2}(?:/|$))[^/:\u0000]+)+/*$"

_SOURCE: Final = "the path of the host"
_READ_ONLY: Final = "whether the container can only read it"
SCHEMA: Final = {
    "type": "object",
    "description": "paths in the container, each with the path of the host that it shows, "
    "or with that path and whether it is read-only",
    "propertyNames": {"pattern": _A_PATH},
    "maxProperties": _MOST_MOUNTS,
    "additionalProperties": {
        "oneOf": [
            {"type": "string", "description": _SOURCE, "pattern": _A_PATH, "examples": ["/srv/maps"]},
            {
                "type": "object",
                "properties": {
                    "source": {
                        "type": "string",
                        "description": _SOURCE,
                        "pattern": _A_PATH,
                        "examples": ["/srv/maps"],
                    },
                    "read_only": {"type": "boolean", "description": _READ_ONLY, "default": False},
                },
                "required": ["source"],
                "additionalProperties": False,
            },
        ]
    },
}

SHOWN: Final = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [
            {"type": "string", "description": _SOURCE},
            {
                "type": "object",
                "properties": {
                    "source": {"type": "string", "description": _SOURCE, "examples": ["/srv/maps"]},
                    "read_only": {"type": "boolean", "description": _READ_ONLY, "examples": [True]},
                },
                "required": ["source", "read_only"],
                "additionalProperties": False,
            },
        ]
    },
}
"""The schema of mounts in responses, without the limits of requests."""


def to_mounts(value: object) -> tuple[Mount, ...]:
    """Return the mounts that ``value`` means; raises ``ValueError`` or ``Invalid``."""
    pairs = to_pairs(value)
    if len(pairs) > _MOST_MOUNTS:
        raise Invalid(f"must not have more than {_MOST_MOUNTS} paths")
    return tuple(_mount(target, source) for target, source in pairs)


def _mount(target: str, given: object) -> Mount:
    _check_path(target)
    source, read_only = given, False
    if isinstance(given, dict):
        if unknown := given.keys() - {"source", "read_only"}:
            raise Invalid(f"{target} has an unknown field {min(unknown)[:60]!r}")
        source, read_only = given.get("source"), given.get("read_only", False)
    if not isinstance(source, str):
        raise Invalid(f"the host path of {target} must be a string")
    if not isinstance(read_only, bool):
        raise Invalid(f"read_only of {target} must be true or false")
    _check_path(source)
    if not target.strip("/") or any(f"{target}/".startswith(f"{each}/") for each in _RESERVED_TARGETS):
        raise Invalid(f"{target} is taken by the container itself")
    return Mount(target, source, read_only)


def _check_path(path: str) -> None:
    parts = path.rstrip("/").split("/")[1:]
    odd = any(part in ("", ".", "..") for part in parts) or any(character in path for character in "\0:")
    if not path.startswith("/") or odd:
        raise Invalid(f"{path!r} must be an absolute path without '.', '..' and ':'")


def to_pairs(value: object) -> tuple[tuple[str, Any], ...]:
    """Return the names and values of an object; raises ``ValueError``."""
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - a JSON value of the wrong type
    return tuple(value.items())
