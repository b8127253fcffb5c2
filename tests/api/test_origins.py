"""Which web pages may open a WebSocket, and which may read answers."""

import httpx
import pytest
import trio

from lightd.http.origins import Origins
from tests.api.front import HEADERS, TOKEN, open_api
from tests.support.client import Client, upgrade

PAGE = "https://page.example"
PANEL = {"enabled": False, "url": "https://panel.example:8443/api", "token": "lightd_the_panels_token_1234"}
ASKS = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
SERVER = {"host": "127.0.0.1", "port": 0}


@pytest.fixture
async def lists(tmp_path):
    """A daemon whose operator lists the page's origin."""
    server = {**SERVER, "allowed_origins": [PAGE]}
    async with open_api(tmp_path, sections={"server": server, "remote": PANEL}) as api:
        yield api


def from_page(origin=PAGE):
    return {**HEADERS, "Origin": origin}


def of_cors(answer):
    return {name for name in answer.headers if name.startswith("access-control-") or name == "vary"}


async def handshake(api, *origins, token=TOKEN):
    """The status of a handshake; 101 of one that is let in."""
    where = httpx.URL(api.url)
    named = "".join(f"\r\norigin: {origin}" for origin in origins)
    async with await trio.open_tcp_stream(where.host, where.port) as stream:
        await stream.send_all(upgrade(f"/ws?token={token}", x=f"y{named}", host=where.netloc.decode()))
        return int((await Client(stream).read_until(b"\r\n")).split()[1])


async def test_client_that_is_no_browser_opens_a_websocket(api):
    assert await handshake(api) == 101


async def test_page_of_the_node_itself_opens_a_websocket(api):
    assert await handshake(api, api.url) == 101
    assert await handshake(api, api.url.replace("http", "HTTP")) == 101


async def test_pages_of_the_panel_and_of_listed_origins_open_one(lists):
    assert await handshake(lists, "https://panel.example:8443") == 101
    assert await handshake(lists, PAGE) == 101


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://page.example",  # another scheme is another page
        "https://page.example:444",
        "https://page.example.evil.example",
        "https://panel.example",  # the panel's has a port
        "null",
        "",
        "*",
        "file://",
        "http://127.0.0.1",
        "http://localhost:1",
    ],
)
async def test_any_other_page_is_refused(lists, origin):
    answer = await lists.shake_hands(f"/ws?token={TOKEN}", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert answer.headers["X-Request-Id"]


async def test_page_that_sends_two_origins_is_refused(lists):
    assert await handshake(lists, PAGE, "https://evil.example") == 403


async def test_bad_token_is_told_before_a_bad_origin(api):
    assert await handshake(api, "https://evil.example", token="wrong") == 401


async def test_page_that_may_not_spends_no_token(api):
    token = (await api.post("/auth/tokens", {"ttl": "1h", "remove_on_use": True}))["token"]
    assert await handshake(api, "https://evil.example", token=token) == 403
    assert await handshake(api, token=token) == 101
    assert await handshake(api, token=token) == 401


async def test_websocket_from_the_origin_of_another_host_is_refused(api):
    answer = await api.shake_hands(
        f"/ws?token={TOKEN}", headers={"Host": "node.example", "Origin": "http://other.example"}
    )
    assert answer.status_code == 403


async def test_responses_have_no_cors_headers_without_listed_origins(api):
    for headers in (HEADERS, from_page(), from_page(api.url)):
        answer = await api.ask("GET", "/containers", headers=headers)
        assert answer.status_code == 200
        assert of_cors(answer) == set()
    preflight = await api.ask("OPTIONS", "/containers", headers={"Origin": PAGE, **ASKS})
    assert preflight.status_code == 401
    assert of_cors(preflight) == set()


async def test_listed_page_reads_answers_and_errors(lists):
    for path, headers in (("/containers", HEADERS), ("/nowhere", HEADERS), ("/containers", {})):
        answer = await lists.ask("GET", path, headers={**headers, "Origin": PAGE})
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_another_page_reads_nothing_and_no_cache_mixes_them_up(lists):
    for headers in (HEADERS, from_page("https://evil.example"), from_page("https://panel.example:8443")):
        assert of_cors(await lists.ask("GET", "/containers", headers=headers)) == {"vary"}


@pytest.mark.parametrize("path", ["/containers", "/nowhere", "/volumes/x/files/content?path=a"])
async def test_preflight_of_a_listed_page_needs_no_token(lists, path):
    answer = await lists.ask("OPTIONS", path, headers={"Origin": PAGE, **ASKS})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert {"PUT", "PATCH", "DELETE"} < set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "Accept", "If-Match"} < set(
        answer.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert answer.headers["Access-Control-Max-Age"] == "600"


async def test_preflight_of_another_kind_needs_a_token(lists):
    for method, headers in [
        ("OPTIONS", {"Origin": "https://evil.example", **ASKS}),
        ("OPTIONS", {"Origin": PAGE}),
        ("OPTIONS", ASKS),
        ("GET", {"Origin": PAGE, **ASKS}),
        ("DELETE", {"Origin": PAGE, **ASKS}),
    ]:
        answer = await lists.ask(method, "/containers", headers=headers)
        assert answer.status_code == 401
        assert "Access-Control-Allow-Methods" not in answer.headers


async def test_reload_changes_who_is_let_in(lists):
    assert (await lists.reload(server=SERVER))["applied"] == [
        "server.allowed_origins",
        "remote.url",
        "remote.token",
    ]
    assert await handshake(lists, PAGE) == 403
    assert of_cors(await lists.ask("GET", "/containers", headers=from_page())) == set()
    await lists.reload(server={**SERVER, "allowed_origins": "*"})
    for origin in (PAGE, "https://anybody.example", "null"):
        assert await handshake(lists, origin) == 101
        answer = await lists.ask("GET", "/containers", headers=from_page(origin))
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_page_of_another_origin_is_refused_without_authorization(tmp_path):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api:
        for method, path in (("GET", "/containers"), ("POST", "/volumes")):
            answer = await api.ask(method, path, headers=from_page())
            assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
            assert (await api.ask(method, path, headers=from_page(api.url))).status_code < 300
        assert (await api.ask("GET", "/containers")).status_code == 200
        assert len(api.system.volumes.view.state.volumes) == 1


def test_nodes_own_origin_goes_by_scheme_host_and_port():
    origins = Origins((), "")
    assert origins.admits("https://node.example", "https://node.example:443")
    assert origins.admits("http://NODE.example:80", "http://node.example")
    assert origins.admits("https://node.example", "http://node.example")  # a proxy terminates TLS
    assert not origins.admits("https://node.example:8443", "http://node.example")
    assert not origins.admits("http://node.example", "https://node.example")
    assert not origins.admits("http://node.example", "http://node.example:8070")
    assert not origins.admits("null", "http://")
    assert not origins.admits("", "")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8070", "127.0.0.1.evil.example", "[::2]:80", "10.0.0.1", ""]
)
async def test_foreign_host_is_a_403_without_authorization(tmp_path, host):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api:
        for path in ("/containers", "/api/v1/public/ping", "/docs", "/openapi.json", "/nowhere"):
            answer = await api.ask("GET", path, headers={"Accept": HEADERS["Accept"], "Host": host})
            assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed"), path
        answer = await api.ask(
            "OPTIONS", "/containers", headers={**ASKS, "Origin": "https://x", "Host": host}
        )
        assert answer.status_code == 403
        for path in ("/ws", "/ws/s1"):
            answer = await api.shake_hands(path, headers={"Host": host})
            assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed"), path


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8070", "127.8.9.1", "[::1]", "[::1]:8070"]
)
async def test_name_of_this_machine_is_served_without_authorization(tmp_path, host):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api:
        answer = await api.ask("GET", "/containers", headers={"Accept": HEADERS["Accept"], "Host": host})
        assert answer.status_code == 200


async def test_any_host_is_served_with_authorization(api):
    assert (
        await api.ask("GET", "/containers", headers={**HEADERS, "Host": "node.example"})
    ).status_code == 200
