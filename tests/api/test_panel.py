"""The panel's client against a real HTTP server that behaves as badly as panels do."""

import gzip
import socket
import ssl
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing
import trustme

from actors.remotesync.panel import Accepted, Later, Refused
from actors.remotesync.updates import Fault, Status
from lightd.panel import http
from lightd.panel.http import open_http_panel
from tests.support.doubles.panel import CUT, HANG, NOISE, TOKEN, Answer, open_panel


async def tell(panel, event_id="n1-7", frame=Status("ready")):  # noqa: B008 - a value
    return await panel.update(event_id, "s1", frame)


def always(reaction):
    async def react(_request):
        return reaction

    return react


async def test_update_is_a_post_with_its_id_and_the_token():
    async with open_panel() as server, open_http_panel(server.url + "/", TOKEN) as panel:
        assert await tell(panel) == Accepted()
        assert await tell(panel, "n1-8.1", Fault("failed", "ü")) == Accepted()
        assert await panel.health() is None
    first, second, health = server.requests
    assert (first.method, first.path) == ("POST", "/api/update")
    assert first.body == {"event": "update", "server": "s1", "status": "ready"}
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.event_id == "n1-7"
    assert second.body == {"event": "update", "server": "s1", "error": "failed", "data": "ü"}
    assert (health.method, health.path) == ("GET", "/api/health")
    assert server.connections == 1


async def test_wrong_token_is_a_refusal_and_no_health():
    async with open_panel() as server, open_http_panel(server.url, f"{TOKEN}x") as panel:
        assert await tell(panel) == Refused("the panel answered 401")
        assert await panel.health() == "the panel answered 401"


async def test_token_does_not_follow_a_redirection():
    async with open_panel() as other, open_panel() as server, open_http_panel(server.url, TOKEN) as panel:
        server.react = always(Answer(307, b"", (("Location", f"{other.url}/update"),)))
        outcome = await tell(panel)
        assert isinstance(outcome, Later)
        assert "redirects are not followed" in await panel.health()
    assert other.requests == []


@pytest.mark.parametrize("reaction", [CUT, NOISE])
async def test_response_that_is_no_http_is_a_panel_wide_failure(reaction):
    async with open_panel(always(reaction)) as server, open_http_panel(server.url, TOKEN) as panel:
        for _ in range(3):
            outcome = await tell(panel)
            assert isinstance(outcome, Later)
            assert outcome.panel_wide
        assert await panel.health() is not None
        server.react = always(Answer())
        assert await tell(panel) == Accepted()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "http://no-such-host.invalid/", "http://a..b/"])
async def test_panel_that_is_unreachable_is_a_panel_wide_failure(url):
    async with open_http_panel(url, TOKEN) as panel:
        outcome = await tell(panel)
        assert isinstance(outcome, Later)
        assert outcome.panel_wide
        assert outcome.reason
        assert await panel.health()


def vouched_by(authority, name="127.0.0.1"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_panel_that_the_system_vouches_for_is_spoken_to_over_tls(trusted_authority):
    async with (
        open_panel(tls=vouched_by(trusted_authority)) as server,
        open_http_panel(server.url, TOKEN) as panel,
    ):
        assert await tell(panel) == await tell(panel) == Accepted()
        assert await panel.health() is None
        assert server.connections == 1


async def test_certificate_that_nobody_vouches_for_is_trouble_that_says_so(trusted_authority):
    strangers = [
        (vouched_by(trustme.CA()), "certificate verify failed"),
        (vouched_by(trusted_authority, "panel.example"), "is not valid for '127.0.0.1'"),
    ]
    for tls, reason in strangers:
        async with open_panel(tls=tls) as server, open_http_panel(server.url, TOKEN) as panel:
            outcome = await tell(panel)
            assert isinstance(outcome, Later)
            assert outcome.panel_wide
            assert reason in outcome.reason
            assert server.requests == []


async def test_panel_that_speaks_no_tls_is_tried_again_later():
    async with open_panel() as server, open_http_panel(server.url.replace("http", "https"), TOKEN) as panel:
        outcome = await tell(panel)
        assert isinstance(outcome, Later)
        assert outcome.reason
        server.react = always(HANG)
        with trio.move_on_after(0.05):
            await tell(panel)
    assert server.requests == []


async def test_calls_at_once_have_a_connection_each_and_those_after_them_the_same():
    async with open_panel() as server, open_http_panel(server.url, TOKEN) as panel:

        async def tell_some():
            for _ in range(5):
                assert await tell(panel) == Accepted()

        async with trio.open_nursery() as nursery:
            for _ in range(16):
                nursery.start_soon(tell_some)
        assert len(server.accepted) == 80
        assert server.connections <= 16


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, 1),
        (OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), 2),
        (OK.replace(b"1.1", b"1.0"), 2),
    ],
)
async def test_answer_may_say_more_or_be_the_last_of_its_connection(answer, connections):
    taken = 0

    async def talk(stream):
        nonlocal taken
        taken += 1
        async with stream:
            with suppress(trio.BrokenResourceError):
                while data := await stream.receive_some(65536):
                    if data.endswith(b"}"):
                        await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with open_http_panel(f"http://127.0.0.1:{port}", TOKEN) as panel:
            with trio.fail_after(5):
                assert await tell(panel) == await tell(panel) == Accepted()
        nursery.cancel_scope.cancel()
    assert taken == connections


async def test_answer_on_an_idle_connection_is_not_taken_for_that_of_the_next_call():
    """Proxies say 408 to one that they are about to close."""
    taken, told = 0, trio.Event()

    async def talk(stream):
        nonlocal taken
        taken += 1
        async with stream:
            await stream.receive_some(65536)
            await stream.send_all(OK)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await stream.send_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            told.set()
            with suppress(trio.BrokenResourceError):
                await stream.receive_some(1)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with open_http_panel(f"http://127.0.0.1:{port}", TOKEN) as panel:
            assert await tell(panel) == Accepted()
            await told.wait()
            assert await tell(panel) == Accepted()
        nursery.cancel_scope.cancel()
    assert taken == 2


async def test_answer_that_comes_before_all_was_sent_is_heard():
    async def talk(stream):
        async with stream:
            await stream.receive_some(100)
            await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with open_http_panel(f"http://127.0.0.1:{port}", TOKEN) as panel:
            with trio.fail_after(20):
                answer = await panel.ask("POST", "/config", {"containers": ["x" * 20_000_000]})
        nursery.cancel_scope.cancel()
    assert answer.status == 413


async def test_panel_that_goes_and_comes_back_is_found_again():
    async with open_panel() as server, open_http_panel(server.url, TOKEN) as panel:
        for _ in range(3):
            assert await tell(panel) == Accepted()
            server.down()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert isinstance(await tell(panel), Later)
            await server.up()


async def test_no_more_of_an_answer_is_read_than_it_may_have():
    received = 0
    async with open_panel() as server:
        big = b"x" * (http.LONGEST + 1)
        server.react = always(Answer(200, big))
        async with open_http_panel(server.url, TOKEN) as panel:
            assert isinstance(await tell(panel), Later)
            assert await panel.health() is not None
        async with trio.open_nursery() as nursery:
            listener = trio.socket.socket()
            with listener:
                await listener.bind(("127.0.0.1", 0))
                listener.listen()

                async def flood():
                    nonlocal received
                    connection, _ = await listener.accept()
                    with connection:
                        await connection.recv(65536)
                        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                        try:
                            while True:
                                received += await connection.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                        except OSError:
                            return

                nursery.start_soon(flood)
                port = listener.getsockname()[1]
                async with open_http_panel(f"http://127.0.0.1:{port}", TOKEN) as panel:
                    with trio.fail_after(20):
                        assert isinstance(await tell(panel), Later)
    assert received < 64 * 1024 * 1024


async def test_compressed_answer_is_not_unpacked():
    body = gzip.compress(b'{"success": true}')
    async with open_panel(always(Answer(200, body, (("Content-Encoding", "gzip"),)))) as server:
        async with open_http_panel(server.url, TOKEN) as panel:
            assert isinstance(await tell(panel), Later)
        assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_call_that_is_cut_short_leaves_no_connection_in_the_way():
    async with open_panel(always(HANG)) as server, open_http_panel(server.url, TOKEN) as panel:
        for number in range(http.CONNECTIONS + 5):
            with trio.move_on_after(0.001 * number):  # some before it was sent, some after
                await tell(panel)
        server.react = always(Answer())
        with trio.fail_after(5):
            assert await tell(panel) == Accepted()


async def test_environment_has_no_say(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        async with open_panel() as server, open_http_panel(server.url, TOKEN) as panel:
            with trio.fail_after(5):
                assert await tell(panel) == Accepted()
