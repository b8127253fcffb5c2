"""What has been exchanged with the panel besides updates, as it stands."""

import attrs

MOST_CONFLICTS = 100


@attrs.frozen
class Conflict:
    """An entry of the panel's configuration that this node can't follow; ``reason`` is a sentence."""

    internal_id: str | None
    reason: str


@attrs.define(eq=False)
class Exchanged:
    """When configurations were taken and given (Unix seconds), and what of the panel's can't be followed.

    The first ``MOST_CONFLICTS`` of a configuration are remembered.
    """

    pulled_at: float | None = None
    pushed_at: float | None = None
    conflicts: list[Conflict] = attrs.field(factory=list)
