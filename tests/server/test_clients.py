"""All connections together: how many there may be, and how they end."""

from __future__ import annotations

import contextlib
import resource
import socket as sockets

import pytest
import trio

from lightd.http.transport import server as http_server
from lightd.http.transport import settings
from tests.rig.engine import give_up
from tests.support.client import CLOSE, Client, connect, ended, frame, is_refusal, request, wait_until


async def test_one_connection_too_many_is_told_so(opened):
    async with opened(max_connections=2) as server, connect(server) as first, connect(server) as second:
        assert (await first.ask("/")).status == 200
        assert (await second.ask("/")).status == 200
        async with connect(server) as third:
            assert is_refusal(await third.read_answer(), 503, "too_many_connections")
            assert await ended(third)
        await first.stream.aclose()
        await wait_until(lambda: server.connections == 1)
        async with connect(server) as third:
            assert (await third.ask("/")).status == 200


async def test_one_address_may_not_have_all_connections(opened):
    limits = {"max_connections_per_address": 1, "exempt_addresses": frozenset()}
    async with opened(**limits) as server, connect(server) as first:
        assert (await first.ask("/")).status == 200
        async with connect(server) as second:
            answer = await second.read_answer()
            assert is_refusal(answer, 429, "too_many_connections")
            assert answer.headers["retry-after"] == "5"
        stream = await trio.open_tcp_stream(
            server.addresses[0].host, server.addresses[0].port, local_address="127.0.0.2"
        )
        async with stream:
            await stream.send_all(request("/"))
            assert b" 200 " in await stream.receive_some()


async def test_client_of_a_refused_address_is_reset_unread_and_logged_once(opened, caplog):
    async with opened(refuses=lambda host: host == "127.0.0.2") as server:
        for _ in range(3):
            assert await answered(server, "127.0.0.2") == b""
        assert server.connections == 0
        assert b" 200 " in await answered(server, "127.0.0.3")
    assert caplog.text.count("rejected a connection from 127.0.0.2, which is the address of a container") == 1


async def answered(server, source):
    """What a client from the address ``source`` gets to read, nothing where it is reset."""
    host, port = server.addresses[0].host, server.addresses[0].port
    try:
        async with await trio.open_tcp_stream(host, port, local_address=source) as stream:
            await stream.send_all(request("/"))
            return await stream.receive_some()
    except (OSError, trio.BrokenResourceError):
        return b""


async def test_proxy_on_this_machine_may_have_as_many_connections_as_there_are(opened):
    async with (
        opened(max_connections_per_address=1) as server,
        connect(server) as first,
        connect(server) as second,
    ):
        assert (await first.ask("/")).status == 200
        assert (await second.ask("/")).status == 200


async def test_wildcard_of_ipv6_is_listened_on_by_both_families(app):
    if not await trio.Path("/proc/net/if_inet6").exists():
        give_up("this machine has no IPv6")
    refused = set()
    async with http_server.open_server(
        app, [http_server.Address("::", 0)], refuses=lambda host: refused.add(host) or False
    ) as server:
        (port,) = {address.port for address in server.addresses}
        assert [address.host for address in server.addresses] == ["::", "0.0.0.0"]
        for host in ("127.0.0.1", "::1"):
            async with await trio.open_tcp_stream(host, port) as stream:
                assert (await Client(stream).ask("/")).status == 200
        assert refused == {"127.0.0.1", "::1"}
        with pytest.raises(OSError, match="cannot listen on"):
            async with http_server.open_server(app, [http_server.Address("::", port)]):
                raise AssertionError


def test_ipv6_client_counts_by_its_network():
    assert http_server.to_key("2001:db8::1") == http_server.to_key("2001:db8::ffff:1")
    assert http_server.to_key("2001:db8::1") != http_server.to_key("2001:db8:0:1::1")
    assert http_server.to_key("::ffff:10.0.0.1") == "10.0.0.1"
    assert http_server.to_key("fe80::1%eth0") == http_server.to_key("fe80::2")


async def test_running_out_of_descriptors_is_survived(server, caplog):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        probe = stack.enter_context(sockets.socket())
        clients = [stack.enter_context(sockets.socket()) for _ in range(10)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (clients[-1].fileno() + 4, hard))
        try:
            for client in clients:
                client.connect((server.addresses[0].host, server.addresses[0].port))
            await wait_until(lambda: "cannot accept" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await wait_until(lambda: server.connections == 10)
        probe.connect((server.addresses[0].host, server.addresses[0].port))
        await wait_until(lambda: server.connections == 11)


async def test_connection_that_is_reset_before_it_is_served_does_no_harm(server):
    for _ in range(50):
        client = sockets.socket()
        client.connect((server.addresses[0].host, server.addresses[0].port))
        client.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    async with connect(server) as client:
        assert (await client.ask("/")).status == 200
        await wait_until(lambda: server.connections == 1)


async def test_server_accepts_nothing_after_its_end(opened):
    async with opened() as server:
        pass
    with pytest.raises(OSError, match="all attempts to connect"):
        async with connect(server):
            pass


async def test_address_in_use_is_an_error_at_once(opened, server, app):
    with pytest.raises(OSError, match=f"cannot listen on {server.addresses[0]}: Address already in use"):
        async with http_server.open_server(app, [server.addresses[0]]):
            pass


async def test_address_that_is_not_this_machines_is_an_error_that_names_it(app):
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:1"):
        async with http_server.open_server(app, [http_server.Address("192.0.2.1", 1)]):
            pass


async def test_every_address_is_served(app):
    addresses = [http_server.Address("127.0.0.1", 0), http_server.Address("127.0.0.2", 0)]
    async with http_server.open_server(app, addresses) as server:
        for address in server.addresses:
            stream = await trio.open_tcp_stream(address.host, address.port)
            async with stream:
                await stream.send_all(request("/"))
                assert b" 200 " in await stream.receive_some()


async def test_end_does_not_wait_for_idle_connections(opened):
    async with (
        opened(grace=50.0) as server,
        connect(server),
        connect(server) as idle,
        connect(server) as half,
    ):
        await half.send(b"GET / HT")
        assert (await idle.ask("/")).status == 200
        await wait_until(lambda: server.connections == 3)


async def test_end_waits_for_an_answer_that_is_under_way(opened, app):
    async with trio.open_nursery() as nursery, opened(grace=30.0) as server:

        async def ask() -> None:
            async with connect(server) as client:
                answer = await client.ask("/wait")
                assert (answer.body, answer.headers["connection"]) == (b"done", "close")
                app.config["RECORD"].append("seen")

        async def answer_later() -> None:
            await trio.sleep(0.2)
            app.config["GO"].set()

        nursery.start_soon(ask)
        await wait_until(lambda: app.config["RECORD"] == ["waiting"])
        nursery.start_soon(answer_later)
    assert app.config["RECORD"] == ["waiting", "answered", "seen"]


@pytest.mark.parametrize("path", ["/wait", "/endless", "/nothing"])
async def test_end_comes_within_the_grace_whatever_the_clients_do(app, path):
    limits = settings.Settings(grace=0.5, linger=0.1)
    async with contextlib.AsyncExitStack() as stack:
        with trio.fail_after(10):
            async with http_server.open_server(
                app, [http_server.Address("127.0.0.1", 0)], settings=limits
            ) as server:
                for _ in range(5):
                    client = await stack.enter_async_context(connect(server))
                    await client.send(request(path))
                await trio.sleep(0.3)


async def test_end_tells_websockets_that_the_daemon_leaves(app):
    async with trio.open_nursery() as nursery:
        limits = settings.Settings(grace=30.0, linger=20.0)
        async with http_server.open_server(
            app, [http_server.Address("127.0.0.1", 0)], settings=limits
        ) as server:
            opened = trio.Event()

            async def watch() -> None:
                async with connect(server) as client:
                    await client.open_websocket("/ws/listen")
                    opened.set()
                    assert await client.read_close() == 1001
                    await client.send(frame(CLOSE, b"\x03\xe9"))
                    assert await ended(client)
                    app.config["RECORD"].append("told")

            nursery.start_soon(watch)
            await opened.wait()
    assert app.config["RECORD"] == ["listening", "left", "told"]


async def test_cancelled_server_says_goodbye_all_the_same(app):
    async with trio.open_nursery() as nursery:
        opened = trio.Event()
        with trio.CancelScope() as scope:
            async with http_server.open_server(app, [http_server.Address("127.0.0.1", 0)]) as server:

                async def watch() -> None:
                    async with connect(server) as client:
                        await client.open_websocket("/ws/flood")
                        opened.set()
                        assert await client.read_close() == 1001
                        app.config["RECORD"].append("told")

                nursery.start_soon(watch)
                await opened.wait()
                scope.cancel()
                await trio.sleep_forever()
    assert app.config["RECORD"] == ["told"]


async def test_error_in_the_block_ends_the_server_and_comes_out(app):
    with pytest.RaisesGroup(ZeroDivisionError):
        async with http_server.open_server(app, [http_server.Address("127.0.0.1", 0)]):
            raise ZeroDivisionError


async def test_application_with_lifespan_hooks_is_not_served_without_them(app):
    app.before_serving(lambda: None)
    with pytest.raises(ValueError, match="lifespan"):
        async with http_server.open_server(app, [http_server.Address("127.0.0.1", 0)]):
            pass


@contextlib.asynccontextmanager
async def stranger(server, number=2):
    """A connection from another address than this machine's own; it says nothing."""
    host, port = server.addresses[0].host, server.addresses[0].port
    async with await trio.open_tcp_stream(host, port, local_address=f"127.0.0.{number}") as stream:
        yield stream


async def prove(stream):
    await stream.send_all(request("/prove"))
    assert b" 200 " in await stream.receive_some()


async def is_dropped(stream):
    with trio.move_on_after(10):
        try:
            return await stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True
    return False


FEW = {"max_connections": 3, "reserved_connections": 1, "exempt_addresses": frozenset()}


async def test_silent_connections_are_closed_for_new_ones_the_oldest_first(opened):
    async with opened(**FEW) as server, stranger(server, 2) as first, stranger(server, 3) as second:
        await wait_until(lambda: server.connections == 2)
        async with stranger(server, 4) as third:
            assert await is_dropped(first)
            await third.send_all(request("/"))
            assert b" 200 " in await third.receive_some()
            await second.send_all(request("/"))
            assert b" 200 " in await second.receive_some()


async def test_client_that_has_shown_a_token_is_never_dropped_for_strangers(opened):
    async with opened(**FEW) as server, stranger(server, 2) as panel, stranger(server, 3) as first:
        await prove(panel)
        for number in range(4, 9):
            async with stranger(server, number) as more:
                await more.send_all(request("/"))
                assert b" 200 " in await more.receive_some()
        assert await is_dropped(first)
        await prove(panel)


async def test_last_connections_are_kept_for_addresses_that_have_shown_a_token(opened):
    async with opened(**FEW) as server:
        async with stranger(server, 2) as panel:
            await prove(panel)
        async with stranger(server, 3) as one, stranger(server, 4) as two:
            await prove(one)
            await prove(two)
            async with stranger(server, 5) as third:
                assert b" 503 " in await third.receive_some()
            async with stranger(server, 2) as panel:
                await panel.send_all(request("/"))
                assert b" 200 " in await panel.receive_some()
