"""A thousand sockets that do nothing: half of them have a token and look on, half never say a word."""

import resource
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import trio

from tests.api.front import NO_VOLUME, TOKEN
from tests.support.client import TEXT, Client, upgrade

CONTAINERS, EACH = 17, 30  # of 30 that one container may have
SILENT = 500
AT_ONCE = 64  # what the kernel lets wait for an accept is more


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 < hard < 4096:
        pytest.skip(f"this process may have {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def read_until(client, text):
    while True:
        opcode, payload = await client.read_frame()
        if opcode == TEXT and text in payload:
            return


@pytest.mark.one_python
async def test_thousand_idle_sockets_take_nothing_from_who_works(api, many_descriptors):
    volume = await api.volume()
    assert volume != NO_VOLUME
    for number in range(CONTAINERS):
        await api.create(f"s{number}", volume_id=volume)
    where = httpx.URL(api.url)
    limit, viewers = trio.CapacityLimiter(AT_ONCE), []
    before = descriptors()

    async with AsyncExitStack() as stack:

        async def connect():
            stream = await trio.open_tcp_stream(where.host, where.port)
            return await stack.enter_async_context(stream)

        async def look_on(internal_id):
            async with limit:
                client = Client(await connect())
                await client.send(upgrade(f"/ws/{internal_id}?token={TOKEN}"))
                assert b" 101 " in await client.read_until(b"\r\n\r\n")
                viewers.append(client)

        async def be_silent():
            async with limit:
                await connect()

        async with trio.open_nursery() as nursery:
            for number in range(CONTAINERS * EACH):
                nursery.start_soon(look_on, f"s{number % CONTAINERS}")
            for _ in range(SILENT):
                nursery.start_soon(be_silent)
        assert len(viewers) == CONTAINERS * EACH

        async with api.console("", token=f"?token={TOKEN}") as node:
            for number in range(CONTAINERS):
                assert (await api.power("start", f"s{number}"))["status"] == "succeeded"
                await node.until("event", "running")
        async with trio.open_nursery() as nursery:
            for viewer in viewers:
                nursery.start_soon(read_until, viewer, b'"running"')

    with trio.fail_after(20):
        while descriptors() > before + 5:
            await trio.sleep(0.02)
    assert len((await api.get("/containers"))["containers"]) == CONTAINERS
