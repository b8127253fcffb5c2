"""What the audit holds: values, and the Protocol of the place that keeps them.

A call is noted twice: as begun before anything is done for it, and as ended before it is answered. What has
begun and never ended, as the process was killed, is an entry too: ``INTERRUPTED``, without a status.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import attrs

from lightd.logs.redaction import redact

LONGEST = 512  # bytes of a text that a client chooses: with so many entries they are what the audit takes

UNANSWERED = "unanswered"
"""The client left before its answer, or the daemon was stopped; what was asked for may be done or not."""

INTERRUPTED = "interrupted"
"""The daemon was killed before it could answer; what was asked for may be done or not."""


FIRST_ERROR: Final = 400
"""The first status that says that nothing was done."""


@attrs.frozen
class Asked:
    """Who asked for what. ``at`` is Unix seconds; ``route`` is the path, without its query."""

    at: float
    token_id: str
    address: str
    request_id: str
    method: str
    route: str


@attrs.frozen
class Outcome:
    """What became of it. ``status`` is HTTP's, None where nobody was answered; then ``code`` says why."""

    status: int | None
    code: str | None = None
    subject: str | None = None
    operation_id: str | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether it is known that nothing was done."""
        return self.status is not None and self.status >= FIRST_ERROR


@attrs.frozen
class Entry:
    """One entry; ``seq`` counts up from 1, without gaps, and is never given twice."""

    seq: int
    asked: Asked
    outcome: Outcome


@attrs.frozen
class Begun:
    """A call that is about to be carried out, under a number that it alone has in this life of the daemon."""

    number: int
    asked: Asked


@attrs.frozen
class Ended:
    """What became of a call; ``number`` is None where it was not noted before."""

    number: int | None
    asked: Asked
    outcome: Outcome


class Table(Protocol):
    """Where entries are kept. All of it raises ``JournalUnavailable``."""

    async def interrupt(self) -> int:
        """Make entries of all that has begun and not ended; return how many there were."""

    async def write(self, begun: Sequence[Begun], ended: Sequence[Ended]) -> None:
        """Note ``begun``, then make entries of ``ended``, in this order: all of it, or nothing.

        It outlives the process, and a loss of power too where anything that ``ended`` was carried out.
        """

    async def read(self, since: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` entries with a ``seq`` over ``since``, oldest first."""

    async def prune(self, before: float, most: int, limit: int) -> int:
        """Forget at most ``limit`` of the oldest entries; return how many.

        Only those that were asked for ``before`` then, or behind which there are ``most`` newer ones.
        """


def to_text(text: str) -> str:
    """What a client chose, as it may be kept: short, in characters alone, without a token."""
    return redact(text[: 2 * LONGEST]).encode(errors="replace")[:LONGEST].decode(errors="ignore")
