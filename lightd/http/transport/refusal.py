"""Errors that the server sends by itself, in the same shape as every error of the API."""

from __future__ import annotations

import http
import json
import random
from collections.abc import Iterable

import attrs

from lightd.http.transport.headers import PLAIN

LONGEST_REQUEST_ID = 128

Headers = list[tuple[bytes, bytes]]


@attrs.frozen
class Refusal:
    status: int
    code: str
    error: str

    @property
    def body(self) -> bytes:
        return json.dumps({"error": self.error, "code": self.code}).encode()

    def to_headers(self, request_id: bytes) -> Headers:
        """The headers of an answer after which the connection is closed."""
        return [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body)),
            (b"x-request-id", request_id),
            (b"connection", b"close"),
        ]

    def to_bytes(self) -> bytes:
        """The whole answer, for a client whose request is not even read."""
        lines = [b"HTTP/1.1 %d %s" % (self.status, http.HTTPStatus(self.status).phrase.encode())]
        headers = PLAIN.beside(self.to_headers(to_request_id(())))
        lines += [name + b": " + value for name, value in headers]
        if self.status in (429, 503):
            lines.append(b"retry-after: 5")
        return b"\r\n".join([*lines, b"", self.body])


def to_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The client's own `X-Request-Id`, or a new one."""
    for name, value in headers:
        if name.lower() == b"x-request-id" and 0 < len(value) <= LONGEST_REQUEST_ID:
            return value
    return new_request_id().encode()


def new_request_id() -> str:
    """Return an id that no other request has; it is no secret, so no system call is made for it."""
    return f"{random.getrandbits(128):032x}"


MALFORMED = Refusal(400, "malformed_request", "The request is not valid HTTP/1.1.")
TARGET = Refusal(400, "malformed_target", "The request target must be a path or an http URL.")
QUERY = Refusal(400, "malformed_target", "The query has too many parameters.")
HOST = Refusal(400, "malformed_host", "The Host header is not a host name.")
LENGTH = Refusal(400, "ambiguous_length", "The request says in two ways how long its body is.")
HANDSHAKE = Refusal(400, "malformed_handshake", "The WebSocket handshake is not valid.")
SLOW_HEAD = Refusal(408, "request_timeout", "The request headers did not arrive in time.")
LARGE_HEAD = Refusal(431, "headers_too_large", "The request headers are too large.")
CRASHED = Refusal(500, "internal_error", "The server failed to answer this request.")
UNSUPPORTED = Refusal(501, "not_implemented", "The request uses a transfer coding that is not supported.")
VERSION = Refusal(505, "http_version_not_supported", "Only HTTP/1.1 is spoken here.")
FULL = Refusal(503, "too_many_connections", "The server has as many connections as it can serve.")
GREEDY = Refusal(429, "too_many_connections", "Your address has as many connections as one may have.")
FORBIDDEN = Refusal(403, "forbidden", "The WebSocket was refused.")

BY_STATUS = {
    each.status: each for each in (MALFORMED, FORBIDDEN, SLOW_HEAD, LARGE_HEAD, CRASHED, UNSUPPORTED)
}


def to_refusal(status: int) -> Refusal:
    """The answer for a status that Hypercorn or h11 chose."""
    return BY_STATUS.get(status) or Refusal(status, "refused", "The request was refused.")
