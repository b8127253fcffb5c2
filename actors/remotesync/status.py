"""What is known of the panel: its health, and the updates that are pending."""

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:  # a node without a panel has a status too, but needs none of the rest
    from actors.remotesync.checkpoint import Checkpoints
    from actors.remotesync.delivery import DeliveryQueue


@attrs.define(eq=False)
class RemoteStatus:
    """The status of the connection to the panel. Times are Unix seconds.

    It is kept while the panel is disabled. ``healthy`` is None before the first health check; ``refused``
    counts the updates that the panel rejected permanently.
    """

    healthy: bool | None = None
    last_ok: float | None = None
    last_error: str | None = None
    refused: int = 0
    queues: "dict[str, DeliveryQueue]" = attrs.field(factory=dict)
    checkpoints: "Checkpoints | None" = None

    def begin(self, checkpoints: "Checkpoints") -> None:
        """Start over with ``checkpoints``: the panel was enabled again, and can be another one."""
        self.healthy = None
        self.checkpoints = checkpoints
        self.queues.clear()

    @property
    def backlog(self) -> int:
        """The number of pending updates."""
        return sum(queue.waiting for queue in self.queues.values())

    @property
    def oldest_pending_at(self) -> float | None:
        """When the oldest pending update was recorded, None if none is pending."""
        return min((queue.oldest_at for queue in self.queues.values()), default=None)

    @property
    def cursor(self) -> int | None:
        """The position up to which all is sent, except what is in the queues; None before the first start."""
        return None if self.checkpoints is None else self.checkpoints.position
