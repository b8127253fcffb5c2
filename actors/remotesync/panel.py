"""The panel as remote sync needs it, and how an attempt to tell it something ends. Pure.

Expected trouble is a value: a panel that is down, slow or confused makes ``Later`` of an attempt, and
nothing is raised.
"""

from typing import Protocol

import attrs

from actors.kernel.backoff import Backoff
from actors.remotesync.updates import Frame


@attrs.frozen
class Accepted:
    """The panel has it, and says so."""


@attrs.frozen
class Refused:
    """The panel will never take it, and says so; ``reason`` is a sentence."""

    reason: str


@attrs.frozen
class Later:
    """It is to be tried again, after ``after`` seconds where the panel named a time.

    ``everybody`` is true for trouble that hardly has to do with this one server: there is no panel to be
    reached, or it asks for a pause.
    """

    reason: str
    after: float | None = None
    everybody: bool = False


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


Outcome = Accepted | Refused | Later


class Panel(Protocol):
    """The far end. A call may take for ever, and may be cancelled; whoever calls sets the time limit."""

    async def update(self, event_id: str, server: str, frame: Frame) -> Outcome:
        """Tell one frame of one update; ``event_id`` is the same whenever this one is told again."""

    async def health(self) -> str | None:
        """Return None where the panel is well, else a sentence that says why it isn't."""
