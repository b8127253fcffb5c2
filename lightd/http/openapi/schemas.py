"""JSON Schemas of request bodies, derived from their classes, and helpers to write other schemas."""

from inspect import getdoc
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import attrs

from lightd.api.bodies import RENAMED, Rule

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "number", "description": "Unix seconds"}


def ref(name: str) -> Schema:
    """Return a reference to the schema with that name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, description: str) -> Schema:
    """Return ``schema`` with a description."""
    return {**schema, "description": description}


def words(*several: str) -> Schema:
    """Return the schema of an enumeration of strings."""
    return {"type": "string", "enum": list(several)}


def message(text: str) -> Schema:
    """Return the schema of a constant string."""
    return {"type": "string", "const": text}


def many(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """Return ``schema``, with null allowed."""
    if "$ref" in schema or not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, {"type": "null"}]}
    shown = {**schema, "type": [schema["type"], "null"]}
    return {**shown, "enum": [*schema["enum"], None]} if "enum" in schema else shown


def record(fields: dict[str, Schema], optional: dict[str, Schema] | None = None, means: str = "") -> Schema:
    """Return the schema of an object with ``fields`` (required), ``optional`` ones, and no others."""
    schema: Schema = {"type": "object", "properties": {**fields, **(optional or {})}}
    if fields:
        schema["required"] = list(fields)
    return {**({"description": means} if means else {}), **schema, "additionalProperties": False}


def of_body(cls: type[Any], *, nulls: frozenset[str] | None = None) -> Schema:
    """Return the schema of the body that is read as ``cls``.

    If ``nulls`` is given, only those fields can be null; otherwise every field whose type allows it.
    """
    renamed = RENAMED.get(cls, {})
    defaults = {field.name: field.default for field in attrs.fields(cls)}
    fields: dict[str, Schema] = {}
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        if name not in defaults:
            continue
        schema, may_be_null = _to_schema(annotation)
        if may_be_null and (nulls is None or name in nulls):
            schema = nullable(schema)
        default = defaults[name]
        if isinstance(default, bool | int | float | str):
            schema = {**schema, "default": default}
        fields[renamed.get(name, name)] = schema
    required = [
        renamed.get(field.name, field.name) for field in attrs.fields(cls) if field.default is attrs.NOTHING
    ]
    means = " ".join((getdoc(cls) or "").split())
    shown: Schema = {"type": "object", "description": means, "properties": fields}
    if required:
        shown["required"] = required
    return {**shown, "additionalProperties": False}


def _to_schema(annotation: Any) -> tuple[Schema, bool]:  # noqa: ANN401 - an annotation can be anything
    """Return the schema of an annotation, and whether null is allowed."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        some = [each for each in get_args(annotation) if each is not NoneType]
        return _to_schema(some[0])[0], True
    if origin is tuple:
        return many(_to_schema(get_args(annotation)[0])[0]), False
    if attrs.has(annotation):
        return of_body(annotation), False
    if origin is Annotated and isinstance(rule := get_args(annotation)[1], Rule):
        return dict(rule.schema), False
    raise TypeError(f"{annotation!r} has no rule, so it has no schema")


def of_rule(annotation: Any) -> Schema:  # noqa: ANN401 - as above
    """Return the schema of a single value that is read by a rule."""
    return _to_schema(annotation)[0]
