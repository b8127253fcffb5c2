"""The security headers of every response, also of errors of the server itself.

They restrict what a browser may do with a response: not guess its type, not run it, not frame it, not keep
it. A response that sets one of these headers keeps its own value.
"""

from __future__ import annotations

import attrs

Header = tuple[bytes, bytes]


def _to_lines(headers: tuple[Header, ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % each for each in headers)


@attrs.frozen
class Guards:
    """Headers, and the same as the lines that they are on the wire: nearly every answer has all of them."""

    headers: tuple[Header, ...]
    names: frozenset[bytes] = attrs.field(init=False)
    lines: bytes = attrs.field(init=False)

    @names.default
    def _named(self) -> frozenset[bytes]:
        return frozenset(name for name, _ in self.headers)

    @lines.default
    def _written(self) -> bytes:
        return _to_lines(self.headers)

    def beside(self, headers: list[Header]) -> list[Header]:
        """``headers``, their names in lower case, and those guards that they have nothing to say about."""
        own = {name for name, _ in headers}
        return [*headers, *(each for each in self.headers if each[0] not in own)]

    def within(self, head: bytes, headers: list[Header]) -> bytes:
        """``head``, which is written whole and says ``headers``, with what ``beside`` would have added.

        To have h11 look at what never changes would cost ten times as much.
        """
        if self.names.isdisjoint([name for name, _ in headers]):
            return b"%s%s\r\n" % (head[:-2], self.lines)
        missing = tuple(self.beside(headers)[len(headers) :])
        return b"%s%s\r\n" % (head[:-2], _to_lines(missing))


PLAIN = Guards(
    (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
)
ENCRYPTED = Guards((*PLAIN.headers, (b"strict-transport-security", b"max-age=31536000")))
"""With TLS: browsers use only TLS for a year (RFC 6797)."""
