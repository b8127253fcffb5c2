"""Helpers to write the JSON Schemas of responses."""

from typing import Any

from lightd.http.openapi.vocabulary import NAMED
from lightd.validation.schema import UNIT, Schema

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "number", UNIT: "Unix seconds"}


def ref(name: str) -> Schema:
    """Return a reference to the schema with that name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, description: str, *, unit: str = "", example: object = None) -> Schema:
    """Return ``schema`` with a description, a unit and an example."""
    more: Schema = {"description": description, UNIT: unit} if unit else {"description": description}
    return {**schema, **more, **({} if example is None else {"examples": [example]})}


def words(*several: str) -> Schema:
    """Return the schema of an enumeration of strings."""
    return {"type": "string", "enum": list(several)}


def message(text: str) -> Schema:
    """Return the schema of a constant string."""
    return {"type": "string", "const": text}


def many(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def either(*forms: Schema, means: str = "") -> Schema:
    """Return the schema of a value that has one of several forms."""
    return {**({"description": means} if means else {}), "oneOf": list(forms)}


def record(
    fields: dict[str, Schema],
    optional: dict[str, Schema] | None = None,
    means: str = "",
    example: dict[str, Any] | None = None,
) -> Schema:
    """Return the schema of an object with ``fields`` (required), ``optional`` ones, and no others.

    A field without a description, unit or example has that of its name in ``vocabulary``. ``example`` has the
    values that an example of the object has instead of those of its fields, and the optional fields in it.
    """
    properties = {name: _named(name, field) for name, field in {**fields, **(optional or {})}.items()}
    schema: Schema = {"type": "object", "properties": properties}
    if fields:
        schema["required"] = list(fields)
    if example is not None:
        schema[EXAMPLE] = example
    return {**({"description": means} if means else {}), **schema, "additionalProperties": False}


EXAMPLE = "x-example"
"""The keyword with the values of an object's example that are not those of its fields."""
OF_FIELD = object()
"""In such values: the example of the field, which is optional."""


def _named(name: str, field: Schema) -> Schema:
    if name not in NAMED or "$ref" in field:
        return field
    given = NAMED[name].add_to({})
    if "description" in field and UNIT not in field:
        given.pop(UNIT, None)
    if not _can_be(field, given.get("examples", [None])[0]):
        given.pop("examples", None)
    return {**given, **field}


def _can_be(field: Schema, example: object) -> bool:
    """Whether ``example`` has a type and a value that ``field`` allows."""
    if "const" in field or ("enum" in field and example not in field["enum"]):
        return False
    if isinstance(example, list) and not all(_can_be(field.get("items", {}), each) for each in example):
        return False
    types = field.get("type", [])
    allowed = types if isinstance(types, list) else [types]
    return any(isinstance(example, _TYPES.get(each, ())) for each in allowed)


_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}

PROTOCOL = words("tcp", "udp")
