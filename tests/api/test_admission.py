"""Who comes in, and in which order they are asked: token, vendor header, route, body."""

import logging
import re

import httpx
import pytest
from quart import Response

from lightd.access import log_limits
from lightd.access.log_limits import BURST
from lightd.access.scopes import Node
from lightd.http.app import make_app
from lightd.http.openapi.document import to_document
from lightd.http.route import Route, Section
from lightd.http.transport.server import Address, open_server
from tests.api.front import HEADERS, NO_VOLUME, TOKEN, open_api

pytestmark = pytest.mark.one_python

PING = "/api/v1/public/ping"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
VENDOR = {"Accept": "application/vnd.pkglatv1+json"}


async def test_token_is_checked_before_the_vendor_header_before_the_route_before_the_body(api):
    async def ask(method, path, headers):
        answer = await api.ask(method, path, headers=headers, content=b"{")
        return answer.status_code, answer.json()["code"]

    for method, path in [("GET", "/no/such/route"), ("PUT", "/containers"), ("POST", "/containers")]:
        assert await ask(method, path, {}) == (401, "unauthorized")
        assert await ask(method, path, VENDOR) == (401, "unauthorized")
        assert await ask(method, path, BEARER) == (403, "vendor_header_required")
    assert await ask("GET", "/no/such/route", HEADERS) == (404, "route_not_found")
    assert await ask("PUT", "/containers", HEADERS) == (405, "method_not_allowed")
    assert await ask("POST", "/containers", HEADERS) == (400, "malformed_json")


async def test_resource_is_looked_up_before_the_body_is_read(api):
    async def ask(path):
        answer = await api.ask("POST", path, content=b"{")
        return answer.status_code, answer.json()["code"]

    assert await ask(f"/volumes/{NO_VOLUME}/files") == (404, "volume_not_found")
    assert await ask(f"/volumes/{NO_VOLUME}/folders") == (404, "volume_not_found")


async def test_wrong_token_is_refused_with_a_challenge(api):
    wrong = ["", TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
    wrong += [f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN.upper()}", "Bearer l\u00efghtd".encode()]
    for headers in [{}, *({"Authorization": each} for each in wrong)]:
        answer = await api.ask("GET", "/containers", headers={**VENDOR, **headers})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json() == {"error": "a valid token is needed", "code": "unauthorized"}


async def test_scheme_of_the_token_may_be_written_in_any_case(api):
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
        answer = await api.ask("GET", "/containers", headers={**VENDOR, "Authorization": f"{scheme} {TOKEN}"})
        assert answer.status_code == 200


async def test_vendor_header_may_stand_in_a_list_in_any_case_with_parameters(api):
    for accept, status in [
        (["Application/vnd.pkglatv1+json"], 200),
        (["APPLICATION/VND.PKGLATV1+JSON"], 200),
        (["text/html, application/vnd.pkglatv1+json;q=0.5, */*"], 200),
        (["application/vnd.pkglatv1+json ; charset=utf-8"], 200),
        (["text/html", "application/vnd.pkglatv1+json"], 200),
        (["*/*"], 403),
        (["application/json"], 403),
        (["application/vnd.pkglatv1"], 403),
        (["application/vnd.pkglatv1+jsonx"], 403),
        ([""], 403),
    ]:
        headers = httpx.Headers([*BEARER.items(), *(("Accept", each) for each in accept)])
        assert (await api.ask("GET", "/containers", headers=headers)).status_code == status, accept


async def test_ping_needs_no_header(api):
    answer = await api.ask("GET", PING, headers={})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "message": "Lightd is running",
        "version": api.system.version,
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", api.system.version)
    assert (await api.ask("GET", PING, headers={"Authorization": "Bearer wrong"})).status_code == 200
    assert (await api.ask("DELETE", PING, headers={})).status_code == 405


async def test_client_hears_its_own_request_id_again(api):
    for request_id in ("a", "trace-4711/0", "!" * 128):
        answer = await api.ask("GET", "/containers", headers={**HEADERS, "X-Request-Id": request_id})
        assert answer.headers["X-Request-Id"] == request_id


async def test_request_id_that_is_odd_is_replaced(api):
    for odd in ("x" * 129, "two words", "tab\there", "\u00e4".encode("latin-1"), ""):
        answer = await api.ask("GET", "/containers", headers={**HEADERS, "X-Request-Id": odd})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


async def test_every_answer_has_a_request_id_of_its_own(api):
    paths = ["/containers", "/nowhere", "/containers/none", PING]
    refused = await api.ask("GET", "/containers", headers={})
    shaken = await api.shake_hands("/ws/s1")
    answers = [await api.ask("GET", path) for path in paths]
    seen = {answer.headers["X-Request-Id"] for answer in [*answers, refused, shaken]}
    assert len(seen) == len(paths) + 2


async def test_request_is_one_log_line_without_query_and_token(api, caplog):
    caplog.set_level(logging.INFO)
    caplog.clear()
    secret = f"?token={TOKEN}"
    await api.ask("GET", f"/containers{secret}", headers={**HEADERS, "X-Request-Id": "one"})
    await api.ask("DELETE", "/nowhere")
    await api.ask("POST", "/containers", headers={})
    await api.shake_hands(f"/ws/s1{secret}", headers={"X-Request-Id": "four"})
    lines = [record for record in caplog.records if record.name == "lightd.request"]
    assert [line.getMessage() for line in lines] == [
        "GET /containers 400",
        "DELETE /nowhere 404",
        "POST /containers 401",
        "GET /ws/s1 404",
    ]
    assert (lines[0].request_id, lines[3].request_id) == ("one", "four")
    assert all(line.ms >= 0 for line in lines)
    assert TOKEN not in "".join(f"{vars(record)}" for record in caplog.records if "lightd" in record.name)


async def test_socket_is_one_log_line_with_its_request_id(api, caplog):
    caplog.set_level(logging.INFO, "lightd.request")
    await api.create()
    caplog.clear()
    async with api.console(extra_headers=[(b"X-Request-Id", b"socket-1")]) as console:
        await console.next()
        assert (b"x-request-id", b"socket-1") in console._connection.handshake_headers
    lines = [record for record in caplog.records if record.name == "lightd.request"]
    assert [(line.getMessage(), line.request_id) for line in lines] == [("GET /ws/s1 101", "socket-1")]


async def test_token_is_not_asked_for_without_authorization(tmp_path):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api:
        assert (await api.ask("GET", "/containers", headers=VENDOR)).status_code == 200
        assert (await api.ask("GET", "/containers", headers={})).status_code == 403
        async with api.console("", token=""):
            pass


async def test_paths_of_strangers_are_cut_in_the_log_and_their_lines_counted(api, caplog, monkeypatch):
    monkeypatch.setattr(log_limits, "RATE", 0.001)  # however slowly the requests are sent
    with caplog.at_level(logging.INFO, logger="lightd.request"):
        for _ in range(BURST + 50):
            await api.ask("GET", "/" + "x" * 20_000, headers={})
        lines = [record.getMessage() for record in caplog.records if record.name == "lightd.request"]
    assert BURST <= sum("characters cut)" in line for line in lines) < BURST + 50
    assert max(map(len, lines)) < 400
    assert any("more requests like those before were not logged" in line for line in lines)


async def test_route_for_any_media_type_needs_a_token_and_no_vendor_header(api):
    async def show(_):
        return Response("lightd_up 1\n", content_type="text/plain")

    route = Route(
        method="GET",
        path="/metrics",
        permission="stats",
        subject=Node,
        handler=show,
        name="show_metrics",
        summary="Metrics",
        curl="call $url/metrics",
        any_media_type=True,
    )
    app = make_app(api.system, None, [route])
    bearer = {"Authorization": HEADERS["Authorization"]}
    async with open_server(app, [Address("127.0.0.1", 0)]) as served, httpx.AsyncClient() as client:
        url = f"http://{served.addresses[0]}"
        for accept in ("*/*", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", ""):
            answer = await client.get(f"{url}/metrics", headers={**bearer, "Accept": accept})
            assert (answer.status_code, answer.text) == (200, "lightd_up 1\n")
        for headers, path, status, code in (
            ({}, "/metrics", 401, "unauthorized"),
            (bearer, "/nowhere", 403, "vendor_header_required"),
            (bearer, "/metrics?odd=1", 400, "invalid_request"),
        ):
            answer = await client.get(url + path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    document = to_document((Section("Node", "", (route,)),))["paths"]["/metrics"]["get"]
    assert document["security"] == [{"token": []}]
    assert "vendor_header_required" not in document["responses"]["403"]["description"]
