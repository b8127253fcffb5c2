"""The daemon under TLS: who is served how, and what becomes of a certificate that changes."""

import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from lightd.config import certificate
from tests.api.front import HEADERS, open_api
from tests.support.certificates import Authority, serial_of
from tests.support.client import Client, request

LOCAL = {"host": "127.0.0.1", "port": 0}


@pytest.fixture
def serial(authority):
    return authority.write()


@pytest.fixture
async def https(tmp_path, authority, serial, monkeypatch):
    monkeypatch.setattr(certificate, "LOOK_EVERY", 0.02)
    async with open_api(tmp_path, sections={"server": {**LOCAL, "tls": authority.tls}}) as api:
        yield api


@asynccontextmanager
async def connected(api, context, protocols=("h2", "http/1.1")):
    """A TLS stream to the daemon, its hands shaken."""
    context.set_alpn_protocols(protocols)
    tcp = await trio.open_tcp_stream("127.0.0.1", httpx.URL(api.url).port)
    stream = trio.SSLStream(tcp, context, server_hostname="localhost", https_compatible=True)
    try:
        await stream.do_handshake()
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


async def shown(api, authority):
    async with connected(api, authority.to_context()) as stream:
        return serial_of(stream)


async def wait_shown(api, authority, wanted):
    with trio.fail_after(20):
        while await shown(api, authority) != wanted:
            await trio.sleep(0.01)


async def wait_logged(caplog, text):
    with trio.fail_after(20):
        while text not in caplog.text:
            await trio.sleep(0.01)


async def test_daemon_with_a_certificate_says_https_and_is_verified(https, authority):
    assert https.url.startswith("https://127.0.0.1:")
    async with httpx.AsyncClient(verify=authority.to_context(), trust_env=False, timeout=60) as client:
        answer = await client.get(f"{https.url}/containers", headers=HEADERS)
    assert answer.json() == {"containers": []}
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_http_1_1_alone_is_offered_over_tls_1_2_and_1_3(https, authority):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = authority.to_context()
        context.minimum_version = context.maximum_version = version
        async with connected(https, context) as stream:
            assert stream.selected_alpn_protocol() == "http/1.1"
            assert stream.version() == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_refused(https, authority):
    context = authority.to_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(trio.BrokenResourceError):
        async with connected(https, context):
            pass


async def test_plain_http_gets_no_answer(https):
    async with await trio.open_tcp_stream("127.0.0.1", httpx.URL(https.url).port) as stream:
        await stream.send_all(request("/containers"))
        assert b"HTTP/" not in await Client(stream).read_to_end()


async def test_console_is_read_over_wss(https, authority):
    await https.running()
    async with https.console(ssl_context=authority.to_context()) as console:
        for number in range(20):
            await console.send("send_command", command=f"line {number}")
            await console.until("console", f"line {number}")


async def test_renewed_certificate_is_shown_to_new_clients_and_drops_nobody(https, authority, serial):
    await https.running()
    async with (
        connected(https, authority.to_context()) as old,
        https.console(ssl_context=authority.to_context()) as console,
    ):
        client = Client(old)
        assert (await client.ask("/api/v1/public/ping")).status == 200
        assert serial_of(old) == serial
        renewed = authority.write()
        await wait_shown(https, authority, renewed)
        assert (await client.ask("/api/v1/public/ping")).status == 200
        await console.send("send_command", command="still here")
        await console.until("console", "still here")


async def test_pair_that_is_broken_leaves_the_old_one_and_is_told_once(https, authority, serial, caplog):
    authority.write(cert=False)
    await wait_logged(caplog, "the certificate was not reloaded: server.tls.key: does not belong to")
    await trio.sleep(0.2)
    assert caplog.text.count("the certificate was not reloaded") == 1
    assert await shown(https, authority) == serial
    renewed = authority.write()
    await wait_shown(https, authority, renewed)


async def test_pair_that_is_gone_leaves_the_old_one(https, authority, serial, tmp_path, caplog):
    (tmp_path / "cert.pem").unlink()
    await wait_logged(caplog, "the certificate was not reloaded: server.tls.cert: cannot be read")
    assert await shown(https, authority) == serial


async def test_reload_takes_the_new_pair_at_once_and_a_broken_one_not_at_all(
    tmp_path, authority, serial, monkeypatch
):
    monkeypatch.setattr(certificate, "LOOK_EVERY", 3600.0)
    server = {**LOCAL, "tls": authority.tls}
    async with open_api(tmp_path, sections={"server": server}) as api:
        renewed = authority.write()
        assert (await api.reload(server=server))["applied"] == []
        assert await shown(api, authority) == renewed
        authority.write(key=False)
        api.rewrite(server=server, monitoring={"interval_ms": 333})
        status, code, said = await api.refused("POST", "/remote/config/reload")
        assert (status, code) == (400, "invalid_configuration")
        assert said.startswith("server.tls.key: does not belong to the certificate")
        assert api.system.config.monitoring.interval_ms == 100
        assert await shown(api, authority) == renewed


async def test_other_files_are_taken_at_once_and_other_protocols_at_the_next_start(
    https, authority, tmp_path
):
    (tmp_path / "moved").mkdir()
    moved = Authority(tmp_path / "moved")
    serial = moved.write()
    answer = await https.reload(server={**LOCAL, "tls": moved.tls})
    assert answer["applied"] == ["server.tls.cert", "server.tls.key"]
    assert await shown(https, moved) == serial
    answer = await https.reload(server=LOCAL)
    assert (answer["applied"], answer["restart_required"]) == ([], ["server.tls.cert", "server.tls.key"])
    assert await shown(https, moved) == serial
    renewed = moved.write()
    await wait_shown(https, moved, renewed)


async def test_tls_is_not_begun_by_a_reload(tmp_path, authority, serial):
    async with open_api(tmp_path) as api:
        answer = await api.reload(server={**LOCAL, "tls": authority.tls})
        assert answer["restart_required"] == ["server.tls.cert", "server.tls.key"]
        assert (await api.get("/containers")) == {"containers": []}
