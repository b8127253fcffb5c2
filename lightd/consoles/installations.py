"""The format of the log of an installation: one JSON object. Pure."""

import json
from typing import Any

import attrs

from actors.container.console.log import InstallLog, Numbered


def from_installation(log: InstallLog) -> bytes:
    """Return the content of the file of ``log``."""
    fields = {**attrs.asdict(log, recurse=False), "lines": [list(line) for line in log.lines]}
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")


def to_installation(data: bytes) -> InstallLog | None:
    """Return the log in the content of its file, None if it is damaged."""
    try:
        fields: dict[str, Any] = json.loads(data)
        lines = [Numbered(int(number), str(text), at) for number, text, at in fields.pop("lines")]
        return InstallLog(lines=lines, **fields)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
