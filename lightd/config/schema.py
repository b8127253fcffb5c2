"""The configuration's JSON Schema (2020-12), for editors, derived from the same classes as the parser.

``python -m lightd.config.schema > config/config.schema.json`` regenerates it; with
``--example``, ``config/config.example.json``. Rules between two keys (no authorization only on loopback,
a panel needs a URL) are checked by the daemon only.
"""

import json
import sys
from typing import Any

from lightd.config import sections
from lightd.config.meanings import with_meanings
from lightd.validation.schema import of_class


def to_document() -> dict[str, Any]:
    """Return the whole schema as JSON values."""
    document = with_meanings(of_class(sections.Configuration), sections.example())
    required = [name for name in document["required"] if name not in sections.GIVEN_BY_THE_HOST]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lightd's config.json",
        **document,
        "required": required,
    }


if __name__ == "__main__":
    json.dump(sections.example() if "--example" in sys.argv else to_document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
