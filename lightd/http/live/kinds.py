"""The kinds of frames that a viewer is sent: the permission that each needs, and its schema."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, get_args

import attrs

from actors.container.state import StateFrame
from actors.container.stats import Stats
from actors.tokens.grant import Grant
from lightd.access.scopes import TOKEN
from lightd.http.openapi.schemas import FLAG, NUMBER, TEXT, WHOLE, message, record, words
from lightd.validation.schema import Schema, nullable

Kinds = frozenset[str]


@attrs.frozen(eq=False)
class OutboundKind:
    """A viewer whose token lacks ``permission`` is not sent these frames. ``fields`` are beside ``event``."""

    permission: str
    means: str
    fields: Mapping[str, Schema]
    optional: Mapping[str, Schema] = MappingProxyType({})

    def to_schema(self, name: str) -> Schema:
        """Return the JSON Schema of a frame with this ``event``."""
        return record({"event": message(name), **self.fields}, dict(self.optional), self.means)


OUTBOUND: Final[Mapping[str, OutboundKind]] = MappingProxyType(
    {
        "event": OutboundKind(
            TOKEN,
            "The state has changed. `internal_id` is only present in the node's stream.",
            {"data": words(*get_args(StateFrame))},
            {
                "seq": WHOLE,
                "internal_id": TEXT,
                "code": nullable({"type": "integer"}),
                "oom_killed": FLAG,
                "child_oom_killed": FLAG,
                "crashed": FLAG,
            },
        ),
        "console": OutboundKind(
            "console.read",
            "Console lines, each ending in `\\n`; `line` is the number of the first one.",
            {"data": TEXT, "line": WHOLE},
        ),
        "stats": OutboundKind(
            "stats",
            "Sent while the container runs and a value has changed. `cpu_usage` is in percent of one core, "
            "`uptime` in seconds, the others in bytes.",
            {field.name: nullable(NUMBER) for field in attrs.fields(Stats)},
        ),
        "daemon_message": OutboundKind(TOKEN, "A message from lightd for people.", {"data": TEXT}),
        "logs": OutboundKind(
            "console.read", "The response to `request_logs`.", {"data": TEXT, "line": WHOLE}
        ),
        "gap": OutboundKind(
            "console.read",
            "Lines are missing, because this client was too slow or they were lost.",
            {"missed": WHOLE, "next_line": WHOLE},
        ),
        "error": OutboundKind(
            TOKEN, "A frame from the client was rejected; the connection stays open.", {"data": TEXT}
        ),
    }
)

EVERY_KIND: Final[Kinds] = frozenset(OUTBOUND)


def kinds_for(grant: Grant) -> Kinds:
    """Return the kinds of frames that a viewer with ``grant`` is sent."""
    return frozenset(
        name for name, kind in OUTBOUND.items() if kind.permission == TOKEN or grant.allows(kind.permission)
    )
