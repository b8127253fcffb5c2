"""What clients and the panel see of an event stays as it is. The files in ``public/`` are never edited.

A file has one line for each form, exactly as it is sent: the entry of ``GET /containers/:id/events`` for a
token with all permissions, with ``console.read`` and with ``power``; the WebSocket frame, or ``null``; the
bodies for the panel. The event is the newest one of its kind in ``events/``. A field that is added to the
public form gets one more file, with the next number.
"""

import json
import re
from pathlib import Path
from typing import get_args

import attrs
import pytest

from actors.container import condensed, events
from actors.container.spec import (
    ContainerSpec,
    EggUse,
    GameQuery,
    Installer,
    Limits,
    Mount,
    PortBinding,
    RestartPolicy,
    StopPolicy,
)
from actors.kernel.journal import Recorded
from actors.remotesync.updates import to_update
from actors.tokens.grant import EVERYTHING, Grant
from lightd.api import events as public
from lightd.api.container_fields import SECRET
from lightd.http.live import frames
from lightd.http.wire import to_text
from lightd.journal.codec import KINDS, Codec, Kind
from lightd.journal.upcasts import UPCASTS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "events.md"
SHOWN = [kind for kind in KINDS if kind.name.startswith("container.")]
FILE = re.compile(r"([a-z-]+)\.(\d+)\.json")


def stored(kind, schema):
    return Codec().decode(kind.name, schema, (HERE / "events" / f"{kind.name}.{schema}.json").read_bytes())


def record(event):
    return Recorded(42, "container-survival", 7, 1_700_000_123.5, event, "start-7f3a")


def to_lines(event):
    recorded, containers = record(event), frozenset({"survival"})
    grants = [EVERYTHING, *(Grant(containers, frozenset({each})) for each in ("console.read", "power"))]
    for grant in grants:
        yield to_text(public.to_history_entry(recorded, grant))
    frame = public.to_state_frame(recorded)
    yield "null" if frame is None else frames.to_frame(frame)[2:].decode()
    update = to_update(recorded)
    for each in update.frames if update else ():
        yield json.dumps(public.to_panel_body(update.server, each), ensure_ascii=False)


def files(name):
    found = [match for match in map(FILE.fullmatch, sorted_names()) if match and match[1] == name]
    return [HERE / "public" / match[0] for match in sorted(found, key=lambda match: int(match[2]))]


def sorted_names():
    return sorted(path.name for path in (HERE / "public").iterdir())


def holds(newer, older):
    """Return whether ``newer`` has all that ``older`` has, field by field."""
    if isinstance(older, dict):
        return isinstance(newer, dict) and all(
            key in newer and holds(newer[key], value) for key, value in older.items()
        )
    if isinstance(older, list):
        return isinstance(newer, list) and len(newer) == len(older) and all(map(holds, newer, older))
    return newer == older


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.name)
def test_public_form_of_an_event_is_that_of_its_file(kind):
    found = files(public.PUBLIC[kind.event].type)
    assert found, "a kind of event without a file in tests/golden/public"
    lines = list(to_lines(stored(kind, kind.schema)))
    assert found[-1].read_text().splitlines() == lines
    for older in found[:-1]:
        assert holds(list(map(json.loads, lines)), list(map(json.loads, older.read_text().splitlines())))


def test_every_file_is_of_a_kind_and_numbered_without_gaps():
    named = {public_event.type for public_event in public.PUBLIC.values()}
    numbers = {name: len(files(name)) for name in named}
    assert sorted_names() == sorted(
        f"{name}.{number}.json" for name, most in numbers.items() for number in range(1, most + 1)
    )


def test_table_has_every_kind_of_event_of_a_container_and_no_other():
    assert set(public.PUBLIC) == {*get_args(events.Event), condensed.Condensed}
    assert set(public.PUBLIC) == {kind.event for kind in SHOWN}
    assert {row.type for row in public.PUBLIC.values()} == {
        kind.name.removeprefix("container.") for kind in SHOWN
    }


# The journal's encoding and the public form are independent


def alike(one, other):
    """Return whether two JSON values have the same names, where neither is null or an empty list."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return alike(one[0], other[0])
    return not one or not other or isinstance(one, dict | list) is isinstance(other, dict | list)


@pytest.mark.parametrize(("name", "schema"), UPCASTS, ids=str)
def test_public_form_of_an_event_with_an_upcast_has_the_fields_of_a_new_one(name, schema):
    kind = next(kind for kind in KINDS if kind.name == name)
    old, new = (
        public.to_history_entry(record(stored(kind, number)), EVERYTHING) for number in (schema, kind.schema)
    )
    assert alike(json.loads(to_text(old)), json.loads(to_text(new)))


@attrs.frozen
class NextExited(events.Exited):
    """What ``Exited`` may become: it has one more field, and a name on disk that the API does not know."""

    signal: int | None = None


def test_public_form_is_the_same_after_the_schema_in_the_journal_is_raised():
    kind = next(kind for kind in KINDS if kind.event is events.Exited)
    raised = attrs.evolve(kind, event=NextExited, schema=kind.schema + 1)
    codec = Codec([raised], {**UPCASTS, (kind.name, kind.schema): lambda fields: {**fields, "signal": None}})
    before = stored(kind, kind.schema)
    name, schema, data = Codec().encode(before)
    after = codec.decode(name, schema, data)
    assert type(after) is NextExited
    assert codec.encode(after)[1:] != (schema, data)
    row = public.PUBLIC[events.Exited]
    assert to_text(row.to_data(after, EVERYTHING)) == to_text(row.to_data(before, EVERYTHING))
    assert row.more(after) == row.more(before)


def test_public_form_is_the_same_with_other_names_on_disk():
    event = events.Started(3, 5.0)
    renamed = Codec([Kind("server.running", events.Started, 9)])
    assert renamed.encode(event)[:2] == ("server.running", 9)
    assert public.to_history_entry(record(event), EVERYTHING)["type"] == "started"


# Every field is shown, protected and described

LEFT_OUT = {"state"}
"""Of a snapshot only the time of the first record is shown."""

PARTS = {
    "spec": ContainerSpec,
    "ports": PortBinding,
    "limits": Limits,
    "mounts": Mount,
    "stop": StopPolicy,
    "restart_policy": RestartPolicy,
    "install": Installer,
    "egg": EggUse,
    "query": GameQuery,
}


NAMED = re.compile(r"`([a-z_]+)`(?: \(`([a-z.]+)`\))?")


def to_named(fields):
    return [(field.name, field.permission or "") for field in fields]


def all_fields():
    def beneath(fields):
        for field in fields:
            yield field
            yield from beneath(field.fields)

    for row in public.PUBLIC.values():
        yield from beneath(row.fields)


@pytest.mark.parametrize("event", public.PUBLIC, ids=lambda event: event.__name__)
def test_every_field_of_an_event_is_in_its_row(event):
    """A field that is to stay internal is listed in ``LEFT_OUT``."""
    names = [field.name for field in attrs.fields(event) if field.name not in LEFT_OUT]
    assert [field.name for field in public.PUBLIC[event].fields] == names


def test_every_field_of_an_object_within_an_event_is_shown():
    for field in all_fields():
        expected = [each.name for each in attrs.fields(PARTS[field.name])] if field.name in PARTS else []
        assert [each.name for each in field.fields] == expected


def test_secret_fields_need_the_permission_of_those_who_can_set_them():
    needs = {(field.name, field.permission) for field in all_fields() if field.permission}
    assert needs == {*(("mounts" if name == "mount" else name, "admin") for name in SECRET)} | {
        ("tail", "console.read"),
        ("variables", "admin"),
    }
    named = {name for name, _ in needs}
    assert not [field for field in all_fields() if field.name in named and field.permission is None]


@pytest.mark.parametrize("row", public.PUBLIC.values(), ids=lambda row: row.type)
def test_page_of_events_describes_every_field_of_a_type(row):
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{row.type}` |")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert NAMED.findall(cells[1]) == to_named(row.fields)
    assert cells[2] == ("none" if row.state is None else f"`{row.state}`")


def test_page_of_events_describes_every_field_of_an_object():
    text = PAGE.read_text()
    for field in all_fields():
        if field.fields:
            (line,) = [line for line in text.splitlines() if line.startswith(f"| `{field.name}` |")]
            assert NAMED.findall(line.split("|")[2]) == to_named(field.fields)
