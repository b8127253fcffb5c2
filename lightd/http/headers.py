"""The headers that every answer has, whoever gives it, the server's own refusals included.

They leave a browser next to nothing that it may do with an answer: not guess its type, not run it, not frame
it, not keep it. An answer that has one of these names already keeps its own.
"""

from __future__ import annotations

PLAIN = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
ENCRYPTED = (*PLAIN, (b"strict-transport-security", b"max-age=31536000"))
"""Under TLS browsers are told to stay with it, for a year (RFC 6797)."""

Header = tuple[bytes, bytes]


def guarded(headers: list[Header], guards: tuple[Header, ...]) -> list[Header]:
    """``headers``, their names in lower case, and those of ``guards`` that they have nothing to say about."""
    own = {name for name, _ in headers}
    return [*headers, *(each for each in guards if each[0] not in own)]
