"""Examples of values, composed from those of their fields, and what else generators of clients need.

An example of an object has its required fields. A field without an example is an error, which a test finds.
"""

from collections.abc import Mapping
from typing import Any

from lightd.http.openapi.schemas import EXAMPLE, OF_FIELD, ref
from lightd.validation.schema import Schema

LARGEST_SHORT = 2**31 - 1
"""Larger integers are marked as ``int64``, for generators of clients."""


def to_example(schema: Schema, schemas: Mapping[str, Schema], where: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """Return an example of ``schema``; ``schemas`` are those that a reference can name.

    Raises ``LookupError`` with the path of the field that has no example.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return to_example(schemas[name], schemas, name)
    for keyword in ("examples", "enum"):
        if keyword in schema:
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            return to_example(schema[keyword][0], schemas, where)
    match _type_of(schema):
        case "object":
            return _to_object(schema, schemas, where)
        case "array":
            return [to_example(schema["items"], schemas, f"{where}[]")]
        case _:
            raise LookupError(f"{where}: has no example")


def _to_object(schema: Schema, schemas: Mapping[str, Schema], where: str) -> dict[str, Any]:
    given = schema.get(EXAMPLE, {})
    needed = set(schema.get("required", ())) | set(given)
    return {
        name: to_example(field, schemas, f"{where}.{name}")
        if given.get(name, OF_FIELD) is OF_FIELD
        else given[name]
        for name, field in schema.get("properties", {}).items()
        if name in needed
    }


def _type_of(schema: Schema) -> str | None:
    types = schema.get("type")
    return types[0] if isinstance(types, list) else types


def with_named(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return ``schemas`` and, as further ones, the objects with a title in them, which refer to those now.

    Generators of clients make a type of each schema; of an object within another one some make none.
    """
    named: dict[str, Schema] = {}

    def extract(value: Any, *, top: bool = False) -> Any:  # noqa: ANN401 - any part of a schema
        if isinstance(value, list):
            return [extract(each) for each in value]
        if not isinstance(value, dict):
            return value
        found = {name: extract(each) for name, each in value.items()}
        title = found.get("title")
        if top or not isinstance(title, str):
            return found
        del found["title"]
        named.setdefault(title, found)
        return {**ref(title), "description": found["description"]}

    kept = {name: extract(schema, top=True) for name, schema in schemas.items()}
    return {**named, **kept}


def finished(value: Any, schemas: Mapping[str, Schema]) -> Any:  # noqa: ANN401 - any part of a document
    """Return a part of the document: ``EXAMPLE`` is replaced by a whole example, large numbers are marked."""
    if isinstance(value, list):
        return [finished(each, schemas) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: finished(each, schemas) for name, each in value.items() if name != EXAMPLE}
    if EXAMPLE in value:
        found["examples"] = [_to_object(value, schemas, "")]
    if _type_of(value) == "integer" and "enum" not in value:
        low, high = value.get("minimum", 0), value.get("maximum", LARGEST_SHORT + 1)
        if max(-low, high) > LARGEST_SHORT:
            found.setdefault("format", "int64")
    if _type_of(value) == "number":
        found["format"] = (
            "double"  # some generators take half of its digits otherwise: of Unix seconds two minutes
        )
    return found
