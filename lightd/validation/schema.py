"""The JSON Schema (2020-12) of a class, from the same rules that read it."""

from inspect import getdoc
from typing import Any, get_args, get_origin

import attrs

from lightd.validation.reading import fields_of, optional, plain, rule_of

Schema = dict[str, Any]


def nullable(schema: Schema) -> Schema:
    """Return ``schema``, with null allowed."""
    if "$ref" in schema or not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, {"type": "null"}]}
    either = {**schema, "type": [schema["type"], "null"]}
    return {**either, "enum": [*schema["enum"], None]} if "enum" in schema else either


def to_schema(annotation: Any) -> Schema:  # noqa: ANN401 - an annotation can be anything
    """Return the schema of an annotation as ``lightd.validation.reading`` has them; null is left out."""
    rule = rule_of(annotation)
    if rule is not None:
        return rule.to_schema()
    annotation = plain(annotation)
    if (some := optional(annotation)) is not None:
        return to_schema(some)
    if get_origin(annotation) is tuple:
        items = get_args(annotation)[0]
        several = {"type": "array", "items": to_schema(items)}
        rule = rule_of(items)
        return several if rule is None or rule.alone is None else {"anyOf": [several, {"const": rule.alone}]}
    if attrs.has(annotation):
        return of_class(annotation)
    raise TypeError(f"{annotation!r} has no rule, so it has no schema")


def of_class(cls: type[Any], *, nulls: frozenset[str] | None = None) -> Schema:
    """Return the schema of the object that is read as ``cls``.

    If ``nulls`` is given, only those fields can be null; otherwise every field whose annotation allows it.
    """
    properties: dict[str, Schema] = {}
    required = []
    for field in fields_of(cls):
        schema = to_schema(field.annotation)
        may_be_null = rule_of(field.annotation) is None and optional(plain(field.annotation)) is not None
        if may_be_null and (nulls is None or field.name in nulls):
            schema = nullable(schema)
        if isinstance(field.default, bool | int | float | str):
            schema = {**schema, "default": field.default}
        properties[field.key] = schema
        if field.required:
            required.append(field.key)
    whole: Schema = {
        "type": "object",
        "description": " ".join((getdoc(cls) or "").split()),
        "properties": properties,
    }
    if required:
        whole["required"] = required
    return {**whole, "additionalProperties": False}
