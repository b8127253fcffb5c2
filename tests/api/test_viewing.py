"""A WebSocket that stays: through restarts, silence and refusals; and over TLS."""

import json
import ssl
import subprocess
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from trio_websocket import serve_websocket
from wsproto.utilities import generate_accept_token

from actors.kernel.backoff import Backoff
from lightd.cli.commands import address, client, viewing
from lightd.cli.commands.address import Address
from lightd.cli.commands.trouble import Trouble
from tests.api.front import PATIENCE, TOKEN, open_api
from tests.rig import engine
from tests.support.daemon import free_port
from tests.support.shell import Job, Shell


@pytest.fixture(autouse=True)
def briskly(monkeypatch):
    monkeypatch.setattr(viewing, "BACKOFF", Backoff(0.02, 0.05))


async def test_followed_console_survives_a_restart_without_a_gap_or_a_repetition(tmp_path):
    server = {"server": {"host": "127.0.0.1", "port": free_port()}}
    shell = Shell(f"http://127.0.0.1:{server['server']['port']}", tmp_path)
    async with trio.open_nursery() as nursery:
        job = Job()
        async with open_api(tmp_path, sections=server) as api:
            await api.running()
            nursery.start_soon(lambda: shell.run(job, *shell.line("logs", "s1", "-f")))
            await job.out.until("Ready\n")
            with trio.fail_after(PATIENCE):
                while not api.system.sockets._held:
                    await trio.sleep(0.01)
        await job.err.until("; reconnecting\n")
        async with open_api(tmp_path, sections=server) as api:
            await job.err.until("reconnected\n")
            assert (await api.power("start"))["status"] == "succeeded"
            await job.out.until("Ready\n", times=2)
            async with api.console() as console:
                await console.send("send_command", command="after")
            await job.out.until("got: after\n")
        nursery.cancel_scope.cancel()
    assert job.out.getvalue().count("Ready\n") == 2
    assert job.err.getvalue().count("reconnected") == 1


async def view(react, *, told=None, frames=None, seconds=5, seen=False):
    """Follow a server that does ``react`` with each connection; return what ``follow`` raised."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, react, "127.0.0.1", 0, ssl_context=None))
        each = viewing.Viewing(
            Address(f"http://127.0.0.1:{server.port}", TOKEN),
            "/ws/s1",
            lambda: {"since_line": 7},
            (frames if frames is not None else []).append,
            (told if told is not None else []).append,
        )
        each._seen = seen
        trouble = None
        with trio.move_on_after(seconds):
            try:
                await each.follow()
            except Trouble as met:
                trouble = met
        nursery.cancel_scope.cancel()
    return trouble


async def test_query_says_how_far_was_seen_and_the_token_is_in_a_header():
    asked = []

    async def react(request):
        asked.append((request.path, dict(request.headers)[b"authorization"]))
        connection = await request.accept()
        await connection.aclose(4404, "deleted")

    assert await view(react) is None
    assert asked == [("/ws/s1?since_line=7", f"Bearer {TOKEN}".encode())]


async def test_connection_that_ends_is_opened_again():
    times = []

    async def react(request):
        times.append(1)
        connection = await request.accept()
        await connection.aclose(1001 if len(times) < 3 else 4404, "bye")

    told = []
    assert await view(react, told=told) is None
    assert len(times) == 3
    assert [line.split(" ")[-1] for line in told] == [
        "reconnecting",
        "reconnected",
        "reconnecting",
        "reconnected",
    ]


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 4), (404, 1), (429, 1), (503, 1)])
async def test_refusal_ends_the_command(status, code):
    async def react(request):
        await request.reject(status, body=b'{"error": "no", "code": "x"}')

    trouble = await view(react)
    assert trouble.code == code
    assert "no" in str(trouble)


async def test_container_that_is_gone_by_the_time_of_the_reopening_is_code_5():
    async def react(request):
        await request.reject(404, body=b'{"error": "no such container", "code": "container_not_found"}')

    assert (await view(react, seen=True)).code == 5


async def test_refusal_that_is_no_json_is_told_by_its_status():
    async def react(request):
        await request.reject(418, body=b"<html>")

    assert str(await view(react)) == "the daemon answered 418"


async def test_daemon_that_is_just_starting_is_asked_again():
    times = []

    async def react(request):
        times.append(1)
        if len(times) < 3:
            await request.reject(503, body=b"")
        else:
            connection = await request.accept()
            await connection.aclose(4404, "deleted")

    assert await view(react, seen=True) is None


@pytest.mark.parametrize("text", ["no json", "[1]"])
async def test_message_that_is_no_frame_ends_the_command(text):
    async def react(request):
        connection = await request.accept()
        await connection.send_message(text)
        await trio.sleep_forever()

    assert (await view(react)).code == 1


async def test_daemon_that_falls_silent_is_noticed(monkeypatch):
    monkeypatch.setattr(viewing, "BEAT", 0.1)
    told = []

    async def silent(stream):
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        key = next(line for line in data.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        token = generate_accept_token(key.split(b": ")[1])
        await stream.send_all(b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n")
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        each = viewing.Viewing(Address(url, TOKEN), "/ws", dict, print, told.append)
        nursery.start_soon(each.follow)
        with trio.fail_after(60):
            while not told:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert told[0] == f"lost the connection to {url}; reconnecting"


async def test_server_that_opens_no_websocket_is_exit_code_3(monkeypatch):
    monkeypatch.setattr(viewing, "BEAT", 0.1)

    async def mute(stream):
        await trio.sleep_forever()

    async def leave(stream):
        await stream.receive_some(10)

    for behaviour in (mute, leave):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, behaviour, 0, host="127.0.0.1"))
            url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            each = viewing.Viewing(Address(url, TOKEN), "/ws", dict, print, print)
            with pytest.raises(Trouble, match="WebSocket handshake failed") as met:
                await each.follow()
            nursery.cancel_scope.cancel()
        assert met.value.code == 3


async def test_slow_connection_is_given_up_on(monkeypatch):
    monkeypatch.setattr(viewing, "CONNECTING", 0.05)

    async def never(*_args):
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    each = viewing.Viewing(Address("http://127.0.0.1:1", TOKEN), "/ws", dict, print, print)
    with pytest.raises(Trouble, match="timeout"):
        await each.follow()


async def test_input_during_a_restart_of_the_daemon_waits_for_it():
    got, times = [], []

    async def react(request):
        times.append(1)
        connection = await request.accept()
        if len(times) == 1:
            await connection.aclose(1001, "bye")
            return
        got.append(json.loads(await connection.get_message()))
        await connection.aclose(4404, "deleted")

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, react, "127.0.0.1", 0, ssl_context=None))
        address, gone = Address(f"http://127.0.0.1:{server.port}", TOKEN), trio.Event()
        each = viewing.Viewing(address, "/ws", dict, print, lambda _: gone.set())

        async def send():
            await gone.wait()
            await each.send("send_command", command="hi")

        with trio.fail_after(PATIENCE):
            nursery.start_soon(send)
            await each.follow()
        nursery.cancel_scope.cancel()
    assert got == [{"event": "send_command", "command": "hi"}]


# ---- TLS


@attrs.frozen
class Tls:
    cert: Path | None = None


@attrs.frozen
class Configured:
    """As the section of the server is, where it has a certificate."""

    host: str = "0.0.0.0"
    port: int = 8070
    tls: Tls = Tls()


OTHER = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----"


def test_daemon_with_a_certificate_is_asked_over_tls_by_that_certificate_alone(tmp_path):
    with_one = Configured(tls=Tls(tmp_path / "chain.pem"))
    assert address.to_url(Configured()) == "http://127.0.0.1:8070"
    assert address.to_url(with_one) == "https://127.0.0.1:8070"
    assert address.to_pinned(Configured()) is None
    assert address.to_pinned(with_one) is None
    (tmp_path / "chain.pem").write_text(
        f"{OTHER}\n-----BEGIN CERTIFICATE-----\nCA\n-----END CERTIFICATE-----"
    )
    assert address.to_pinned(with_one) == OTHER


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    engine.require("openssl")
    path = tmp_path_factory.mktemp("tls") / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", path, "-out", f"{path}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    return path


async def test_viewing_over_tls_checks_the_daemons_certificate(tmp_path, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{certificate}.crt", certificate)
    async with open_api(tmp_path) as api, trio.open_nursery() as nursery:
        await api.running()
        plain_port = int(api.url.rpartition(":")[2])

        async def relay(stream):
            async def copy(source, target):
                try:
                    async for data in source:
                        await target.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
                pair.cancel_scope.cancel()

            with trio.CancelScope():
                behind = await trio.open_tcp_stream("127.0.0.1", plain_port)
                async with behind, trio.open_nursery() as pair:
                    pair.start_soon(copy, stream, behind)
                    pair.start_soon(copy, behind, stream)

        serve = partial(trio.serve_ssl_over_tcp, relay, 0, context, host="127.0.0.1", https_compatible=True)
        (listener,) = await nursery.start(serve)
        port = listener.transport_listener.socket.getsockname()[1]
        shell = Shell(f"https://localhost:{port}", tmp_path)
        ca = ("--ca", f"{certificate}.crt")
        assert (await shell("ps", "-q", *ca))[:2] == (0, "s1\n")
        async with shell.job("logs", "s1", "-f", *ca) as job:
            await job.out.until("Ready\n")
            async with api.console() as console:
                await console.send("send_command", command="hi")
            await job.out.until("got: hi\n")
        code, _, err = await shell("ps")
        assert (code, "use --ca FILE" in err) == (3, True), err
        each = viewing.Viewing(Address(shell.url, TOKEN), "/ws", dict, print, print)
        with pytest.raises(Trouble, match="CERTIFICATE_VERIFY_FAILED"):
            await each.follow()
        for path in (tmp_path / "missing", tmp_path / "token"):
            code, _, err = await shell("ps", "--ca", str(path))
            assert code == 2
            assert "cannot use --ca " in err
        pinned = address.to_pinned(attrs.evolve(Configured(), tls=Tls(Path(f"{certificate}.crt"))))
        known = Address(f"https://127.0.0.1:{port}", TOKEN, pinned=pinned)
        ask = client.Client(known).ask
        assert (await trio.to_thread.run_sync(ask, "GET", "/containers"))["containers"]
        other = Address(f"https://127.0.0.1:{port}", TOKEN, pinned=OTHER)
        with pytest.raises(Trouble) as met:
            client.to_context(other)
        assert "cannot use server.tls.cert" in str(met.value)
        nursery.cancel_scope.cancel()
