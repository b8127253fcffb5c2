"""``--filter KEY=VALUE``, as docker has it. Pure.

Values of the same key are alternatives, except labels; different keys must all match.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from lightd.cli.commands.formats import to_state

Filter = tuple[str, str]


def _label(row: Mapping[str, Any], value: str) -> bool:
    labels = row.get("labels") or {}
    name, given, wanted = value.partition("=")
    return name in labels and (not given or labels[name] == wanted)


_MATCHES: Final[Mapping[str, Callable[[Mapping[str, Any], str], bool]]] = MappingProxyType(
    {
        "id": lambda row, value: value in str(row["internal_id"]),
        "name": lambda row, value: (
            value in str(row["internal_id"]) or value in str(row.get("display_name") or "")
        ),
        "image": lambda row, value: value in (row["image"], str(row["image"]).rpartition(":")[0]),
        "status": lambda row, value: value in (to_state(row), row["state"], row["install_state"]),
        "exited": lambda row, value: str((row.get("exit") or {}).get("code")) == value,
        "port": lambda row, value: any(str(port["port"]) == value for port in row["ports"]),
        "label": _label,
    }
)
KEYS: Final = tuple(_MATCHES)


def parse(text: str) -> Filter:
    """The key and the value in ``text``; raises ``ValueError`` with a sentence."""
    key, equals, value = text.partition("=")
    if key not in _MATCHES or not equals:
        raise ValueError(f"must be KEY=VALUE with one of the keys {', '.join(KEYS)} (got {text})")
    return key, value


def matches(row: Mapping[str, Any], wanted: Sequence[Filter]) -> bool:
    """Whether a container's row is wanted."""
    for key in {key for key, _ in wanted}:
        found = [_MATCHES[key](row, value) for each, value in wanted if each == key]
        if not (all(found) if key == "label" else any(found)):
            return False
    return True
