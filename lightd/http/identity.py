"""The identity of the request, or of the WebSocket, that is being handled."""

from quart import g

from lightd.access.identity import Identity


def of_request() -> Identity:
    """Return who makes this request, or opens this WebSocket."""
    identity: Identity = g.identity
    return identity
