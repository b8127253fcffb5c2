"""The entries of the audit, and the Protocol of the table that stores them.

A call is written twice: when it begins, before anything is done for it, and when it has ended, before the
response. A call that never ended, because the process was killed, becomes an entry too: ``INTERRUPTED``,
without a status.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import attrs

from lightd.logs.redaction import redact

LONGEST = 512  # bytes of a text from a client; these texts decide the size of the audit

UNANSWERED = "unanswered"
"""The client disconnected before the response, or the daemon was stopped; the call may have been executed."""

INTERRUPTED = "interrupted"
"""The daemon was killed before the response; the call may have been executed."""

FIRST_ERROR: Final = 400
"""The lowest status that means that nothing was done."""


@attrs.frozen
class Asked:
    """A request. ``at`` is Unix seconds; ``route`` is the path without the query."""

    at: float
    token_id: str
    address: str
    request_id: str
    method: str
    route: str


@attrs.frozen
class Outcome:
    """The result of a request: its HTTP status, None if there was no response; then ``code`` says why."""

    status: int | None
    code: str | None = None
    subject: str | None = None
    operation_id: str | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether nothing was done, according to the status."""
        return self.status is not None and self.status >= FIRST_ERROR


@attrs.frozen
class Entry:
    """One entry; ``seq`` counts from 1 without gaps and is never assigned twice."""

    seq: int
    asked: Asked
    outcome: Outcome


@attrs.frozen
class Begun:
    """A call that begins; ``number`` is unique in this process."""

    number: int
    asked: Asked


@attrs.frozen
class Ended:
    """A call that has ended; ``number`` is None if its beginning was not written."""

    number: int | None
    asked: Asked
    outcome: Outcome


class Table(Protocol):
    """Stores entries. Every method raises ``JournalUnavailable``."""

    async def interrupt(self) -> int:
        """Turn all calls that began and did not end into entries; return their number."""

    async def write(self, begun: Sequence[Begun], ended: Sequence[Ended]) -> None:
        """Write ``begun``, then entries for ``ended``, in this order: all of it, or nothing.

        It survives the end of the process, and also a power failure if any of ``ended`` was executed.
        """

    async def read(self, since: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` entries with a ``seq`` greater than ``since``, oldest first."""

    async def prune(self, before: float, most: int, limit: int) -> int:
        """Delete at most ``limit`` of the oldest entries; return their number.

        Only entries from ``before`` that time, and those beyond the newest ``most``.
        """


def to_text(text: str) -> str:
    """Return a text from a client in the form in which it is stored: short, valid UTF-8, without tokens."""
    return redact(text[: 2 * LONGEST]).encode(errors="replace")[:LONGEST].decode(errors="ignore")
