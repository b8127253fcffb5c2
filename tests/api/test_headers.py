"""What every answer tells a browser, whoever gives it."""

import pytest
import trio

from lightd.http.transport import headers, refusal
from tests.api.front import HEADERS
from tests.support.client import Client, request

GUARDS = {name.decode(): value.decode() for name, value in headers.PLAIN.headers}


def guards_of(answer):
    return {name: answer.headers.get_list(name) for name in GUARDS}


def test_guards_are_those_that_the_page_of_security_names():
    assert GUARDS == {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }


async def test_answers_and_errors_have_each_guard_once(api):
    for method, path, sent in [
        ("GET", "/containers", HEADERS),
        ("HEAD", "/containers", HEADERS),
        ("GET", "/containers", {}),
        ("GET", "/nowhere", HEADERS),
        ("PUT", "/containers", HEADERS),
        ("OPTIONS", "/containers", HEADERS),
        ("GET", "/api/v1/public/ping", {}),
    ]:
        answer = await api.ask(method, path, headers=sent)
        assert guards_of(answer) == {name: [value] for name, value in GUARDS.items()}, (method, path)
        assert "Strict-Transport-Security" not in answer.headers
    answer = await api.shake_hands("/ws/none")
    assert guards_of(answer) == {name: [value] for name, value in GUARDS.items()}


async def test_file_may_be_kept_by_who_asks_again_whether_it_changed(api):
    volume = await api.volume()
    path = f"/volumes/{volume}/files"
    await api.post(path, {"path": "a.html", "content": "<script>alert(1)</script>"})
    first = await api.ask("GET", f"{path}/content?path=a.html")
    again = await api.ask(
        "GET", f"{path}/content?path=a.html", headers={**HEADERS, "If-None-Match": first.headers["ETag"]}
    )
    assert (first.status_code, again.status_code) == (200, 304)
    for answer in (first, again):
        assert guards_of(answer) == {
            **{name: [value] for name, value in GUARDS.items()},
            "cache-control": ["private, no-cache"],
        }


@pytest.mark.parametrize(
    "sent",
    [b"nothing\r\n\r\n", request("*", "OPTIONS"), b"GET / HTTP/3.0\r\nhost: a\r\n\r\n"],
)
async def test_servers_own_refusals_have_them_too(api, sent):
    async with await trio.open_tcp_stream("127.0.0.1", int(api.url.rsplit(":", 1)[1])) as stream:
        await stream.send_all(sent)
        await stream.send_eof()
        said = (await Client(stream).read_to_end()).decode().lower()
    for name, value in GUARDS.items():
        assert said.count(f"{name}: {value}") == 1


def test_refused_client_is_sent_the_security_headers_too():
    for answer in (refusal.FULL, refusal.GREEDY):
        assert all(answer.to_bytes().count(b"%s: %s\r\n" % each) == 1 for each in headers.PLAIN.headers)
