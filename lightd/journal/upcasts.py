"""What turns the stored fields of an old event into those of the next schema: dict to dict.

``UPCASTS[kind, 1]`` leads from schema 1 to 2, and so on up to the number that ``KINDS`` has. Each is pure,
is given a dict of its own that it may change, and is never edited once an event of its schema was stored.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]
Upcast = Callable[[Fields], Fields]


def _with_last_words(fields: Fields) -> Fields:
    return {**fields, "reason": "", "tail": []}


def _with_writing(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    mounts = [{**mount, "read_only": False} for mount in fields["spec"]["mounts"]]
    return {**fields, "spec": {**fields["spec"], "mounts": mounts, "read_only": None}}


def _condensed_with_writing(fields: Fields) -> Fields:
    state = _with_writing(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _with_writing(change)}}


def _with_root(fields: Fields) -> Fields:
    return {**fields, "read_only": None}


UPCASTS: Mapping[tuple[str, int], Upcast] = {
    ("container.condensed", 1): _condensed_with_writing,
    ("container.created", 1): _with_writing,
    ("container.edited", 1): _with_root,
    ("container.exited", 1): _with_last_words,
}
