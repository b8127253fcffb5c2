"""Helpers to write the JSON Schemas of responses."""

from lightd.validation.schema import Schema

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


def record(fields: dict[str, Schema], optional: dict[str, Schema] | None = None, means: str = "") -> Schema:
    """Return the schema of an object with ``fields`` (required), ``optional`` ones, and no others."""
    schema: Schema = {"type": "object", "properties": {**fields, **(optional or {})}}
    if fields:
        schema["required"] = list(fields)
    return {**({"description": means} if means else {}), **schema, "additionalProperties": False}


PROTOCOL = words("tcp", "udp")
