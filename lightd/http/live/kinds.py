"""The kinds of WebSocket frames, and the permission that each needs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from actors.tokens.grant import Grant
from lightd.access.scopes import TOKEN

INBOUND: Final[Mapping[str, str]] = MappingProxyType(
    {
        "send_command": "console.write",
        "resize": "console.write",
        "request_logs": "console.read",
        "power": "power",
    }
)
"""What each kind of frame that a viewer sends needs."""

OUTBOUND: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event": TOKEN,
        "daemon_message": TOKEN,
        "error": TOKEN,
        "console": "console.read",
        "gap": "console.read",
        "logs": "console.read",
        "stats": "stats",
    }
)
"""What a viewer needs to be sent each kind of frame."""

Kinds = frozenset[str]

EVERY_KIND: Final[Kinds] = frozenset(OUTBOUND)


def kinds_for(grant: Grant) -> Kinds:
    """Return the kinds of frames that a viewer with ``grant`` is sent."""
    return frozenset(kind for kind, needs in OUTBOUND.items() if needs == TOKEN or grant.allows(needs))
