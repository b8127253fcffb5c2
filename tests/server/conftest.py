from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from quart_trio import QuartTrio

from lightd.http.transport import server, settings
from tests.server import application

HOST = server.Address("127.0.0.1", 0)


@pytest.fixture
def app() -> QuartTrio:
    return application.make()


@pytest.fixture
def opened(app: QuartTrio):
    """`async with opened(**settings) as edge`: a server that must not have met a bug, and ends in time."""

    @contextlib.asynccontextmanager
    async def open_edge(
        patience: float = 180, refuses=lambda _: False, **wanted
    ) -> AsyncIterator[server.Server]:
        limits = settings.Settings(**{"grace": 2.0, "linger": 0.5, **wanted})
        with trio.fail_after(patience):
            async with server.open_server(app, [HOST], settings=limits, refuses=refuses) as edge:
                yield edge
            assert edge.failures == 0
            assert edge.connections == 0

    return open_edge


@pytest.fixture
async def edge(opened) -> AsyncIterator[server.Server]:
    async with opened() as edge:
        yield edge
