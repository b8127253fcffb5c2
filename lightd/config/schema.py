"""The configuration's JSON Schema (2020-12), for editors, derived from the same classes as the parser.

``python -m lightd.config.schema > config/config.schema.json`` regenerates it. Rules between two keys (no
authorization only on loopback, a panel needs a URL) are checked by the daemon only.
"""

import inspect
import json
import sys
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from lightd.config import rules, sections


def to_document() -> dict[str, Any]:
    """The whole schema as JSON values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lightd's config.json",
        **_to_schema(sections.Configuration),
    }


def _to_schema(annotation: Any) -> dict[str, Any]:  # noqa: ANN401 - an annotation may be anything
    if attrs.has(annotation):
        return _to_section(annotation)
    if get_origin(annotation) is tuple:
        items = get_args(annotation)[0]
        several, alone = {"type": "array", "items": _to_schema(items)}, items.__metadata__[0].alone
        return several if alone is None else {"anyOf": [several, {"const": alone}]}
    rule: rules.Rule = annotation.__metadata__[0]
    return {"description": rule.means, **rule.schema}


def _to_section(cls: type[Any]) -> dict[str, Any]:
    required = [field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING]
    return {
        "type": "object",
        "description": inspect.getdoc(cls),  # the same in every Python
        "properties": {
            name: _to_schema(annotation)
            for name, annotation in get_type_hints(cls, include_extras=True).items()
        },
        "required": [name for name in required if name not in sections.GIVEN_BY_THE_HOST],
        "additionalProperties": False,
    }


if __name__ == "__main__":
    json.dump(to_document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
