"""The state of the exchange of configurations."""

from collections.abc import Awaitable, Callable

import attrs

MOST_CONFLICTS = 100


@attrs.frozen
class Conflict:
    """An entry of the panel's configuration that this node cannot apply; ``reason`` is a sentence."""

    internal_id: str | None
    reason: str


Adopt = Callable[[object], Awaitable[Conflict | None]]
"""Creates one container of the panel if it is missing; returns a conflict, or None."""


@attrs.define(eq=False)
class PanelExchange:
    """When configurations were fetched and sent (Unix seconds), and the conflicts.

    Only the first ``MOST_CONFLICTS`` of a configuration are kept.
    """

    pulled_at: float | None = None
    pushed_at: float | None = None
    conflicts: list[Conflict] = attrs.field(factory=list)
