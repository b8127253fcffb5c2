"""Upcasts: functions that convert the stored fields of an event to the next schema.

``UPCASTS[kind, 1]`` converts schema 1 to 2, and so on up to the number in ``KINDS``. Each is pure, gets a
dict of its own, and is never edited after a release.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]
Upcast = Callable[[Fields], Fields]


def _with_reason_and_tail(fields: Fields) -> Fields:
    return {**fields, "reason": "", "tail": []}


def _spec_with_read_only(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    mounts = [{**mount, "read_only": False} for mount in fields["spec"]["mounts"]]
    return {**fields, "spec": {**fields["spec"], "mounts": mounts, "read_only": None}}


def _condensed_with_read_only(fields: Fields) -> Fields:
    state = _spec_with_read_only(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _spec_with_read_only(change)}}


def _edit_with_read_only(fields: Fields) -> Fields:
    return {**fields, "read_only": None}


def _with_child_oom_killed(fields: Fields) -> Fields:
    return {**fields, "child_oom_killed": False}


def _spec_with_pull(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    return {**fields, "spec": {**fields["spec"], "pull": "missing"}}


def _condensed_with_pull(fields: Fields) -> Fields:
    state = _spec_with_pull(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _spec_with_pull(change)}}


def _edit_with_image(fields: Fields) -> Fields:
    return {**fields, "image": None, "pull": None}


def _with_run_script(fields: Fields) -> Fields:
    return {**fields, "run_script": True, "pull": "missing"}


def _spec_with_labels(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    return {**fields, "spec": {**fields["spec"], "labels": [], "display_name": ""}}


def _condensed_with_labels(fields: Fields) -> Fields:
    state = _spec_with_labels(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _spec_with_labels(change)}}


def _edit_with_labels(fields: Fields) -> Fields:
    return {**fields, "labels": None, "display_name": None}


def _spec_with_egg(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    new: Fields = {
        "entrypoint": "shell",
        "install": None,
        "start_texts": [],
        "file_denylist": [],
        "egg": None,
    }
    return {**fields, "spec": {**_ports_with_name(fields["spec"]), **new}}


def _ports_with_name(fields: Fields) -> Fields:
    if not isinstance(fields["ports"], list):  # the decoder reports it
        return fields
    return {**fields, "ports": [{**port, "name": None} for port in fields["ports"]]}


def _condensed_with_egg(fields: Fields) -> Fields:
    state = _spec_with_egg(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _spec_with_egg(change)}}


def _edit_with_egg(fields: Fields) -> Fields:
    new = ("entrypoint", "install", "start_texts", "file_denylist", "egg")
    return {**fields, **dict.fromkeys(new)}


def _with_installer(fields: Fields) -> Fields:
    return {**fields, "install": None}


def _spec_with_query(fields: Fields) -> Fields:
    if fields.get("spec") is None:  # of a container that was deleted
        return fields
    query: Fields = {"protocol": "none", "port": None}
    return {**fields, "spec": {**fields["spec"], "query": query}}


def _condensed_with_query(fields: Fields) -> Fields:
    state = _spec_with_query(fields["state"])
    change = state.get("change")
    return {**fields, "state": {**state, "change": change and _spec_with_query(change)}}


def _edit_with_query(fields: Fields) -> Fields:
    return {**fields, "query": None}


UPCASTS: Mapping[tuple[str, int], Upcast] = {
    ("container.adopted", 1): _spec_with_labels,
    ("container.adopted", 2): _spec_with_egg,
    ("container.adopted", 3): _spec_with_query,
    ("container.condensed", 1): _condensed_with_read_only,
    ("container.condensed", 2): _condensed_with_pull,
    ("container.condensed", 3): _condensed_with_labels,
    ("container.condensed", 4): _condensed_with_egg,
    ("container.condensed", 5): _condensed_with_query,
    ("container.created", 1): _spec_with_read_only,
    ("container.created", 2): _spec_with_pull,
    ("container.created", 3): _spec_with_labels,
    ("container.created", 4): _spec_with_egg,
    ("container.created", 5): _spec_with_query,
    ("container.edited", 1): _edit_with_read_only,
    ("container.edited", 2): _edit_with_image,
    ("container.edited", 3): _edit_with_labels,
    ("container.edited", 4): _edit_with_egg,
    ("container.edited", 5): _edit_with_query,
    ("container.exited", 1): _with_reason_and_tail,
    ("container.exited", 2): _with_child_oom_killed,
    ("container.installation-repeated", 1): _with_run_script,
    ("container.installation-repeated", 2): _with_installer,
    ("container.rebind-requested", 1): _ports_with_name,
    ("container.reinstall-requested", 1): _with_run_script,
    ("container.reinstall-requested", 2): _with_installer,
}
