"""JSON in, strictly."""

import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.container import messages
from lightd.api import bodies, container_fields, file_bodies
from lightd.api.errors import ApiError
from lightd.http.errors import to_answer
from lightd.http.wire import loads, read
from lightd.validation.decoder import LONGEST_NAME

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = {
    cls: [attribute.name for attribute in attrs.fields(cls)]
    for cls in (
        container_fields.ContainerBody,
        bodies.PortRangeBody,
        bodies.PortListBody,
        container_fields.StopBody,
    )
}


def attempt(call, *arguments):
    """What ``call`` returns, and what it refused."""
    try:
        return call(*arguments), None
    except ApiError as error:
        return None, error


def refused(call, *arguments):
    _, error = attempt(call, *arguments)
    assert to_answer(error).status == 400
    return error.message


@settings(max_examples=50)
@given(JSON)
def test_json_is_read_as_what_it_is_or_rejected(value):
    text = json.dumps(value)
    found, error = attempt(loads, text)
    if error is None:
        assert found == value
        assert loads(text.encode()) == value
    else:
        assert error.code == "malformed_json"
        assert "NaN" in text or "Infinity" in text or "\\ud" in text


@given(st.binary(max_size=40))
def test_bytes_are_read_or_refused(data):
    _, error = attempt(loads, data)
    assert error is None or error.code == "malformed_json"


def test_name_that_is_given_twice_is_refused_however_deep():
    assert "b is given twice" in refused(loads, '{"a": [{"b": 1, "b": 1}]}')
    name = "x" * 999
    assert refused(loads, f'{{"{name}": 1, "{name}": 2}}').count("x") == LONGEST_NAME


@settings(max_examples=50)
@given(st.sampled_from(list(FIELDS)), st.data())
def test_any_bytes_are_accepted_or_rejected_with_a_sentence(cls, data):
    keys = st.sampled_from(FIELDS[cls]) | st.text(max_size=5)
    value = data.draw(st.dictionaries(keys, JSON, max_size=6))
    found, error = attempt(read, cls, value)
    if error is None:
        assert isinstance(found, cls)
    else:
        assert to_answer(error).status == 400
        assert len(error.message) > 5


@pytest.mark.parametrize(
    ("cls", "value", "said"),
    [
        (bodies.PortRangeBody, {"from": "1"}, 'from: must be a whole number between 1 and 65535 (got "1")'),
        (bodies.PortRangeBody, {"to": 0}, "to: must be between 1 and 65535 (got 0)"),
        (
            bodies.PortRangeBody,
            {"last": 1},
            "last: unknown field (known here: ip, from, to, protocol, ports)",
        ),
        (bodies.PortListBody, {}, "ports: is missing"),
        (bodies.PortListBody, {"ports": None}, "ports: must be a list (got null)"),
        (bodies.PortListBody, {"ports": [[]]}, "ports[0]: must be an object (got a list)"),
        (
            bodies.PortListBody,
            {"ports": [{"ip": "::1", "port": 1, "x": 1}]},
            "ports[0].x: unknown field (known here: ip, port, protocol)",
        ),
        (container_fields.StopBody, {"type": None}, 'type: must be "signal" or "command" (got null)'),
        (file_bodies.FileBody, [], "the body must be a JSON object"),
        (file_bodies.FileBody, {"path": "@ a"}, "content: is missing"),
        (
            file_bodies.FileBody,
            {"a @ b": 1, "path": "", "content": ""},
            '"a @ b": unknown field (known here: path, content)',
        ),
    ],
)
def test_mistake_is_named(cls, value, said):
    assert refused(read, cls, value) == said


def test_null_is_what_it_is_where_nothing_is_a_value():
    body = read(bodies.PortRangeBody, {"ip": None, "from": None, "ports": None})
    assert body == bodies.PortRangeBody()
    assert (
        read(container_fields.BindingBody, {"ip": "::1", "port": 1, "container_port": None}).container_port
        is None
    )


def test_row_of_a_field_that_can_be_edited_has_its_place_in_the_command():
    rows = {name for name, row in container_fields.ROWS.items() if row.edit is not None}
    assert rows == set(container_fields.EDITABLE)
    assert rows | {"install", "egg", "egg_before"} == {field.name for field in attrs.fields(messages.Edit)}
