"""A TLS client of the raw server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio

from lightd.http.transport import server as http_server
from tests.support.certificates import Authority
from tests.support.client import Client


@contextlib.asynccontextmanager
async def connect(
    server: http_server.Server, authority: Authority, protocols=("h2", "http/1.1")
) -> AsyncIterator[Client]:
    context = authority.to_context()
    context.set_alpn_protocols(protocols)
    tcp = await trio.open_tcp_stream(server.addresses[0].host, server.addresses[0].port)
    stream = trio.SSLStream(tcp, context, server_hostname="localhost", https_compatible=True)
    try:
        await stream.do_handshake()
        yield Client(stream)
    finally:
        await trio.aclose_forcefully(stream)
