"""The JSON Schema (2020-12) of a class, from the same rules that read it."""

from collections.abc import Mapping
from inspect import getdoc
from typing import Any, get_args, get_origin

import attrs

from lightd.validation.reading import fields_of, metadata_of, optional, plain, rule_of

Schema = dict[str, Any]

UNIT = "x-unit"
"""The keyword with the unit of a number: JSON Schema has none."""


@attrs.frozen(eq=False)
class Described:
    """In an annotation: how a field is documented.

    ``description`` is its meaning, ``unit`` the unit of a number (``number`` for a port, a position and
    others that count nothing), ``example`` a value that could occur. In responses it is ``always`` set, even
    if it is optional in requests, and has the schema ``shown`` if that differs. ``clears``: an update with
    null removes it.
    """

    description: str = ""
    unit: str = attrs.field(default="", kw_only=True)
    example: object = attrs.field(default=None, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True)
    shown: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    clears: bool = attrs.field(default=False, kw_only=True)

    def add_to(self, schema: Schema) -> Schema:
        """Return ``schema`` with the description, the unit and the example, each if it is given."""
        more: Schema = {"description": self.description, UNIT: self.unit}
        if self.example is not None:
            more["examples"] = [self.example]
        return {**schema, **{name: value for name, value in more.items() if value}}


def described_by(annotation: Any) -> list[Described]:  # noqa: ANN401 - an annotation can be anything
    """Return the documentation in an annotation; where two differ, the later one applies."""
    return [each for each in metadata_of(annotation) if isinstance(each, Described)]


def _described(annotation: Any, schema: Schema) -> Schema:  # noqa: ANN401 - as above
    for each in described_by(annotation):
        schema = each.add_to(schema)
    return schema


def nullable(schema: Schema) -> Schema:
    """Return ``schema``, with null allowed."""
    if "$ref" in schema or not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, {"type": "null"}]}
    either = {**schema, "type": [schema["type"], "null"]}
    return {**either, "enum": [*schema["enum"], None]} if "enum" in schema else either


def to_schema(annotation: Any) -> Schema:  # noqa: ANN401 - an annotation can be anything
    """Return the schema of an annotation as ``lightd.validation.reading`` has them; null is left out."""
    schema = _described(annotation, _to_schema(annotation))
    rule = rule_of(annotation)
    if rule is not None and not rule.obvious and schema["description"] != rule.means:
        schema["description"] += f" ({rule.means})"
    return schema


def _to_schema(annotation: Any) -> Schema:  # noqa: ANN401 - as above
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
        return {**of_class(annotation), **_title(annotation.__qualname__)}
    raise TypeError(f"{annotation!r} has no rule, so it has no schema")


def _summary(cls: type[Any]) -> str:
    return " ".join((getdoc(cls) or "").split()).replace("``", "`")


def _title(name: str, *, shown: bool = False) -> Schema:
    """Return the title of a part of a body, by which the API's document makes it a schema of its own."""
    if "Body" not in name:
        return {}
    return {"title": name.removesuffix("Body") if shown else name.replace(".", "")}


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
        "description": _summary(cls),
        "properties": properties,
    }
    if required:
        whole["required"] = required
    return {**whole, "additionalProperties": False}


def shown(annotation: Any) -> Schema:  # noqa: ANN401 - an annotation can be anything
    """Return the schema of a value in responses: its type, without the limits that requests have."""
    described = described_by(annotation)
    rule, inner = rule_of(annotation), plain(annotation)
    if (replaced := next((each.shown for each in described if each.shown is not None), None)) is not None:
        schema = dict(replaced)
    elif rule is not None:
        schema = {name: rule.schema[name] for name in ("type", "enum") if name in rule.schema}
    elif (some := optional(inner)) is not None:
        schema = shown(some)
        schema = schema if any(each.always for each in described) else nullable(schema)
    elif get_origin(inner) is tuple:
        schema = {"type": "array", "items": shown(get_args(inner)[0])}
    else:
        fields = {field.key: shown(field.annotation) for field in fields_of(inner)}
        schema = {"type": "object", "properties": fields, "required": list(fields)}
        schema = {"description": _summary(inner), **schema, "additionalProperties": False}
        schema |= _title(inner.__qualname__, shown=True)
    return _described(annotation, schema)
