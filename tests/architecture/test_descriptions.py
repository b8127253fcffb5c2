"""Every field of the OpenAPI document has a description, every request and response an example."""

import json
import re
from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest

from lightd.api.egg_bodies import to_changes
from lightd.http.error_codes import CODES, SERVER_CODES
from lightd.http.openapi import samples
from lightd.http.openapi.document import to_document
from lightd.http.openapi.examples import to_example
from lightd.http.openapi.schemas import FLAG, TEXT, WHOLE, many, record
from lightd.http.openapi.vocabulary import NAMED
from lightd.http.routes.table import SECTIONS
from lightd.http.wire import read
from lightd.validation.schema import UNIT, nullable

HERE = Path(__file__).parent
DOCUMENT = to_document(SECTIONS)
COMPONENTS = DOCUMENT["components"]
ROUTES = [route for section in SECTIONS for route in section.routes]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
SOCKET = DOCUMENT["x-websocket"]


def validator(schema):
    return _validator(json.dumps(schema))


@cache
def _validator(text):
    return jsonschema_rs.Draft202012Validator({**json.loads(text), "components": COMPONENTS})


def parts_of(schema, where):
    """Every schema in ``schema``, itself included, with its path."""
    yield where, schema
    for keyword in ("oneOf", "anyOf", "allOf"):
        for number, each in enumerate(schema.get(keyword, ())):
            yield from parts_of(each, f"{where}|{number}")
    for keyword, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), dict):
            yield from parts_of(schema[keyword], where + sign)
    for name, field in schema.get("properties", {}).items():
        yield from parts_of(field, f"{where}.{name}")


def schemas():
    yield from COMPONENTS["schemas"].items()
    for label, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                if "properties" not in content["schema"] or "$ref" not in content["schema"]:  # no error
                    yield f"{label} {status}", content["schema"]
    for side in ("server", "client"):
        yield from ((f"{side} {name}", schema) for name, schema in SOCKET[side].items())


PARTS = [part for name, schema in schemas() for part in parts_of(schema, name)]


def types_of(schema):
    types = schema.get("type", [])
    return set(types if isinstance(types, list) else [types])


def fields():
    for where, schema in PARTS:
        for name, field in schema.get("properties", {}).items():
            yield f"{where}.{name}", field


def test_every_field_has_a_description():
    lacking = [where for where, field in fields() if "$ref" not in field and not field.get("description")]
    assert lacking == []
    assert len(list(fields())) > 350


def test_every_number_has_a_unit():
    lacking = [
        where
        for where, field in fields()
        if {"integer", "number"} & types_of(field) and not field.get(UNIT) and "enum" not in field
    ]
    assert lacking == []


def test_every_number_in_a_request_has_a_range():
    bodies = {route.body.cls.__name__ for route in ROUTES if route.body is not None}
    lacking = [
        where
        for where, schema in PARTS
        if (where.partition(".")[0] in bodies or where.startswith("client "))
        and {"integer", "number"} & types_of(schema)
        and not {"minimum", "maximum"} <= schema.keys()
    ]
    assert lacking == []


def test_every_value_has_an_example_that_its_schema_allows():
    for where, field in fields():
        if types_of(field) & {"string", "integer", "number"} and "$ref" not in field:
            assert {"examples", "enum", "const", "default"} & field.keys(), where
        for example in field.get("examples", ()):
            assert validator(field).is_valid(example), (where, example)


def test_every_parameter_has_a_description_and_an_example():
    for name, parameter in COMPONENTS["parameters"].items():
        assert parameter["description"], name
        assert validator(parameter["schema"]).is_valid(parameter["example"]), name
        if {"integer", "number"} & types_of(parameter["schema"]):
            assert {UNIT, "minimum", "maximum"} <= parameter["schema"].keys(), name
    for name, schema in SOCKET["query"].items():
        assert schema["description"], name
        assert validator(schema).is_valid(schema["examples"][0]), name
    for name, header in COMPONENTS["headers"].items():
        assert header["description"], name
        assert header["example"], name


def examples_of(content):
    if "example" in content:
        return [content["example"]]
    found = content.get("examples", {}).values()
    return [
        COMPONENTS["examples"][each["$ref"].rpartition("/")[2]]["value"] if "$ref" in each else each["value"]
        for each in found
    ]


def test_every_response_has_an_example_that_its_schema_allows():
    for label, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            resolved = COMPONENTS["responses"]["Refused"] if "$ref" in response else response
            assert resolved["description"], (label, status)
            for media, content in resolved.get("content", {}).items():
                if content["schema"].get("format") == "binary":
                    continue
                found = examples_of(content)
                assert found, (label, status, media)
                for example in found:
                    mistakes = [str(each) for each in validator(content["schema"]).iter_errors(example)]
                    assert mistakes == [], (label, status)


def test_every_error_code_has_an_example_in_each_response_that_has_it():
    assert COMPONENTS["examples"].keys() == CODES.keys() | SERVER_CODES.keys()
    for label, operation in OPERATIONS:
        for status, response in operation["responses"].items():
            if status.isdigit() and int(status) >= 400:
                content = response["content"]["application/json"]
                for code in re.findall(r"^- `(\w+)`", response["description"], re.MULTILINE):
                    assert code in content["examples"], (label, status, code)
                    assert str(CODES[code].status) == status


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.body is not None], ids=lambda route: route.name
)
def test_every_body_has_an_example_that_the_daemon_reads(route):
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    content = operation["requestBody"]["content"]["application/json"]
    found = examples_of(content)
    assert found
    for example in found:
        assert [str(each) for each in validator(content["schema"]).iter_errors(example)] == []
        _read(route, example)
    schema = COMPONENTS["schemas"][route.body.cls.__name__]
    if "properties" in schema:
        _read(
            route,
            {name: to_example(field, COMPONENTS["schemas"]) for name, field in schema["properties"].items()},
        )


def _read(route, example):
    """Read a body; one whose names are chosen elsewhere has no fields of its own."""
    if route.name == "change_variables":
        to_changes(example)
    else:
        read(route.body.cls, example)


def test_every_frame_has_an_example_that_its_schema_allows():
    for side in ("server", "client"):
        for name, schema in SOCKET[side].items():
            assert schema["description"], name
            example = to_example(schema, COMPONENTS["schemas"])
            assert validator(schema).is_valid(example), (name, example)


def test_every_name_of_the_vocabulary_is_a_field():
    assert {where.rpartition(".")[2] for where, _ in fields()} >= NAMED.keys()


def test_every_form_of_a_body_is_a_schema_with_a_name():
    """Generators make a type of each; one without a name they number, leave out or take for another."""
    for route in ROUTES:
        if route.body is not None:
            schema = COMPONENTS["schemas"][route.body.cls.__name__]
            assert all(form.keys() == {"$ref"} for form in schema.get("oneOf", ())), route.name


def test_every_route_has_a_sample_in_every_language():
    for label, operation in OPERATIONS:
        found = {each["lang"]: each["source"] for each in operation["x-codeSamples"]}
        assert found.keys() == samples.PRELUDES.keys(), label
        compile(found["Python"], label, "exec")
    for route in ROUTES:
        request = samples.to_requests(route)[-1]
        template = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path))
        assert request.method == route.method, route.name
        assert re.fullmatch(template, request.path.partition("?")[0]), (route.name, request.path)


def test_operation_ids_stay_as_clients_have_them():
    """Generators name functions by them: a name that was published is never changed or used again."""
    kept = (HERE / "operation_ids.txt").read_text().splitlines()
    present = [f"{operation['operationId']} {label}" for label, operation in OPERATIONS]
    assert sorted(present) == sorted(kept)
    assert len({line.split()[0] for line in kept}) == len(kept)


# ---- the checks themselves


def test_field_without_an_example_is_noticed():
    with pytest.raises(LookupError, match=r"\.odd: has no example"):
        to_example(record({"odd": TEXT}), {})
    with pytest.raises(LookupError, match=r"\.odd\[\]: has no example"):
        to_example(record({"odd": many(TEXT)}), {})


def test_field_has_what_its_name_means_unless_it_says_so_itself():
    found = record({"port": WHOLE, "size": {**WHOLE, "description": "its own"}, "in_use": FLAG})["properties"]
    assert found["port"][UNIT] == "number"
    assert found["size"] == {"examples": [1000], "description": "its own", "type": "integer", "minimum": 0}
    assert found["in_use"]["examples"] == [False]
    kept = record({"status": nullable({"type": "integer"}), "protocol": {"type": "string", "enum": ["udp"]}})
    assert "examples" not in kept["properties"]["status"]
    assert "examples" not in kept["properties"]["protocol"]


@pytest.mark.parametrize("line", ["wget $url/docs", "call -k $url/docs", "call $elsewhere/docs"])
def test_sample_line_of_another_form_is_noticed(line):
    class Odd:
        before, curl = "", line

    with pytest.raises(ValueError, match="unknown"):
        samples.to_requests(Odd)


def test_document_is_json_without_helpers_of_its_builder():
    assert '"x-example"' not in json.dumps(DOCUMENT)
