"""What an answer of the panel means. Pure: status, headers and body in, an outcome out.

Only a 2xx whose body says ``"success": true`` is an acknowledgement: what a proxy, a login page or a panel
that has half started answers with 200 is not one, and the update is told again.
"""

import json
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import attrs

from actors.remotesync.panel import Accepted, Later, Outcome, Refused

PATIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
NOBODY_HOME = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,  # a limit counts all that one client asks
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers that hardly have to do with the one server whose update was told."""


MARKS = (b",", b":", b"[", b"{")
MOST_MARKS = 250_000
"""So many separators and brackets a JSON text has at most. Parsing holds the interpreter's lock, also in a
thread, and takes as long as there are values: 4 MiB of them take 0.2 s, so many marks some 20 ms."""
LONGEST_MOMENT = 64  # characters of a date that is looked at


@attrs.frozen
class Answer:
    """One answer; ``body`` is None where it was longer than what is read of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def too_large(self) -> bool:
        """Whether the body has more values than are parsed."""
        return self.body is not None and sum(map(self.body.count, MARKS)) > MOST_MARKS

    @property
    def json(self) -> object:
        """The JSON value of the body, None where it is none, or of more than ``MOST_MARKS``."""
        if self.too_large:
            return None
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return None

    @property
    def success(self) -> bool:
        """Whether the status is one of success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def refusal(self) -> bool:
        """Whether the panel will answer the same for ever: a 4xx that asks for no patience."""
        client = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return client and self.status not in PATIENT


def to_outcome(answer: Answer, now: float) -> Outcome:
    """Return what became of an update that was answered so; ``now`` is Unix seconds."""
    if answer.success:
        said = answer.json
        if isinstance(said, dict) and said.get("success") is True:
            return Accepted()
        return Later(f'it answers {answer.status}, but not {{"success": true}}')
    if answer.refusal:
        return Refused(f"it answers {answer.status}")
    after = to_seconds(answer.headers.get("retry-after"), now)
    return Later(to_reason(answer.status), after, everybody=answer.status in NOBODY_HOME)


def to_reason(status: int) -> str:
    """Return a sentence about a status that is no success."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"it answers {status}, and redirections aren't followed: the token is for remote.url alone"
    return f"it answers {status}"


def to_seconds(retry_after: str | None, now: float) -> float | None:
    """Return the pause that a ``Retry-After`` header (RFC 9110, 10.2.3) asks for, None without one."""
    if retry_after is None:
        return None
    text = retry_after[:LONGEST_MOMENT].strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(moment.timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def to_ailment(answer: Answer) -> str | None:
    """Return None where ``answer`` is that of a panel that is well, else a sentence that says why not."""
    if answer.status != HTTPStatus.OK:
        return to_reason(answer.status)
    said = answer.json
    if isinstance(said, dict) and said.get("status") == HTTPStatus.OK and said.get("endpoint") == "active":
        return None
    return 'its health is not {"status": 200, "endpoint": "active"}'
