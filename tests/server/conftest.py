from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from quart_trio import QuartTrio

from lightd.config import certificate
from lightd.config.sections import Tls
from lightd.http.transport import server as http_server
from lightd.http.transport import settings
from tests.server import application

HOST = http_server.Address("127.0.0.1", 0)


@pytest.fixture
def app() -> QuartTrio:
    return application.make()


@pytest.fixture
def opened(app: QuartTrio):
    """`async with opened(**settings) as server`: it must end in time, without a bug or a connection."""

    @contextlib.asynccontextmanager
    async def open_server(
        patience: float = 180, refuses=lambda _: False, **wanted
    ) -> AsyncIterator[http_server.Server]:
        limits = settings.Settings(**{"grace": 2.0, "linger": 0.5, **wanted})
        with trio.fail_after(patience):
            async with http_server.open_server(app, [HOST], settings=limits, refuses=refuses) as server:
                yield server
            assert server.failures == 0
            assert server.connections == 0

    return open_server


@pytest.fixture
async def server(opened) -> AsyncIterator[http_server.Server]:
    async with opened() as server:
        yield server


@pytest.fixture
async def tls_server(app, authority) -> AsyncIterator[http_server.Server]:
    authority.write()
    pair = certificate.read(Tls(*map(Path, authority.tls.values())))
    limits = settings.Settings(grace=1.0, linger=0.5, tls_handshake_timeout=1.5, write_stall=0.5)
    with trio.fail_after(30):
        async with http_server.open_server(
            app, [http_server.Address("127.0.0.1", 0)], settings=limits, to_context=lambda: pair.context
        ) as server:
            yield server
        assert server.failures == 0
