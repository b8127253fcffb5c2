"""The panel as remote sync needs it, the outcomes of a request, and the pause before the next one. Pure.

Expected failures are values: a panel that is unreachable, slow or broken leads to ``Later``, not to an
exception.
"""

from typing import Protocol

import attrs

from actors.kernel.backoff import Backoff
from actors.remotesync.updates import Frame


@attrs.frozen
class Accepted:
    """The panel has acknowledged the update."""


@attrs.frozen
class Refused:
    """The panel rejected the update permanently; ``reason`` is a sentence."""

    reason: str


@attrs.frozen
class Later:
    """The update must be sent again, after ``after`` seconds if the panel asked for a pause.

    ``panel_wide`` is true for a failure that does not depend on the server: the panel is unreachable, or
    asks for a pause.
    """

    reason: str
    after: float | None = None
    panel_wide: bool = False


Outcome = Accepted | Refused | Later


BACKOFF = Backoff(1.0, 60.0, (1.0, 0.5))
LONGEST_ASKED = 300.0
"""The longest pause in seconds that the panel can ask for; longer ones are cut."""


def to_pause(failures: int, asked: float | None, chance: float) -> float:
    """Return the seconds until the next attempt after ``failures`` in a row.

    ``asked`` is the pause that the panel asked for, if any; ``chance`` is a random number from 0 to 1.
    """
    if asked is not None:
        return min(max(asked, 0.0), LONGEST_ASKED) + chance
    return BACKOFF.delay(failures, chance)


class Panel(Protocol):
    """The panel. Calls have no time limit and can be cancelled; the caller sets the limit."""

    async def update(self, event_id: str, server: str, frame: Frame) -> Outcome:
        """Send one frame of an update; ``event_id`` is the same each time that it is sent."""

    async def health(self) -> str | None:
        """Return None if the panel is healthy, else a sentence that says why it is not."""
