"""The limits of the server: sizes, counts and times for one client."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Settings:
    """Every limit of the server. Times are seconds, sizes are bytes; the defaults suit the open internet."""

    backlog: int = 1024
    max_connections: int = 4096
    max_connections_per_address: int = 256
    """An IPv6 client counts by its /64, which is what one customer is given."""
    reserved_connections: int = 256
    """Of `max_connections`, for addresses that have shown a right token, and for this machine."""
    exempt_addresses: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    """Not limited by themselves: a proxy on this machine stands for all of its clients."""

    tls_handshake_timeout: float = 10.0
    head_timeout: float = 10.0
    """From the first byte of a request to the end of its headers."""
    head_size: int = 32 * 1024
    head_fields: int = 200
    """Browsers send some twenty."""
    parameters: int = 100
    """In a query: to read thousands takes tens of milliseconds, and no route has ten."""
    keep_alive: float = 30.0
    """How long a connection may be silent between requests, or before the first."""

    body_size: int = 2 * 1024 * 1024
    """For a route that does not set `request.max_content_length` itself."""
    body_timeout: float = 20.0
    """For the whole of a buffered body; for the next chunk of a streamed one."""

    sweep_every: float = 1.0
    """How soon a client is missed whose unread bytes hide that it has left."""

    write_stall: float = 10.0
    """A client that takes not one byte for this long is cut off."""

    message_size: int = 64 * 1024
    ping_every: float = 20.0
    pings_missed: int = 2
    """This many pings without an answer end a WebSocket, at the time when the next would be due."""

    linger: float = 2.0
    """How long a closing connection waits for the client to see the answer and to close its side."""
    grace: float = 5.0
    """From the beginning of the shutdown to the moment when all remaining sockets are aborted."""
