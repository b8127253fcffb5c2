"""What a response of the panel means. Pure: status, headers and body in, an outcome out.

Only a 2xx whose body contains ``"success": true`` is an acknowledgement. A 200 from a proxy, a login page or
a panel that is still starting is not, and the update is sent again.
"""

import json
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import attrs

from actors.remotesync.panel import Accepted, Later, Outcome, Refused

RETRYABLE = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
PANEL_WIDE = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,  # a rate limit counts all requests of a client
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that concern the panel as a whole, not the server whose update was sent."""


MARKS = (b",", b":", b"[", b"{")
MOST_MARKS = 250_000
"""So many separators and brackets a JSON text has at most. Parsing holds the interpreter's lock, also in a
thread, and takes as long as there are values: 4 MiB of them take 0.2 s, so many marks some 20 ms."""
LONGEST_DATE = 64  # characters of a date that is looked at


@attrs.frozen
class Answer:
    """One response; ``body`` is None if it was longer than the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def too_large(self) -> bool:
        """Whether the body has more values than the limit for parsing."""
        return self.body is not None and sum(map(self.body.count, MARKS)) > MOST_MARKS

    @property
    def json(self) -> object:
        """The JSON value of the body, None if it is malformed or too large."""
        if self.too_large:
            return None
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return None

    @property
    def success(self) -> bool:
        """Whether the status is a 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def refusal(self) -> bool:
        """Whether the response is a permanent rejection: a 4xx other than 408 and 429."""
        client = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return client and self.status not in RETRYABLE


def to_outcome(answer: Answer, now: float) -> Outcome:
    """Return the outcome of an update with that response; ``now`` is Unix seconds."""
    if answer.success:
        value = answer.json
        if isinstance(value, dict) and value.get("success") is True:
            return Accepted()
        return Later(f'the panel answered {answer.status} without {{"success": true}}')
    if answer.refusal:
        return Refused(f"the panel answered {answer.status}")
    after = to_seconds(answer.headers.get("retry-after"), now)
    return Later(to_reason(answer.status), after, panel_wide=answer.status in PANEL_WIDE)


def to_reason(status: int) -> str:
    """Return a sentence about an unsuccessful status."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"the panel answered {status}; redirects are not followed, as the token is for remote.url only"
    return f"the panel answered {status}"


def to_seconds(retry_after: str | None, now: float) -> float | None:
    """Return the pause that a ``Retry-After`` header (RFC 9110, 10.2.3) asks for, None without one."""
    if retry_after is None:
        return None
    text = retry_after[:LONGEST_DATE].strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(moment.timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def to_health_error(answer: Answer) -> str | None:
    """Return None if ``answer`` is that of a healthy panel, else a sentence that says why not."""
    if answer.status != HTTPStatus.OK:
        return to_reason(answer.status)
    value = answer.json
    if isinstance(value, dict) and value.get("status") == HTTPStatus.OK and value.get("endpoint") == "active":
        return None
    return 'the health check did not return {"status": 200, "endpoint": "active"}'
