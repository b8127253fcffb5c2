"""Every error in one shape, whoever found it: the route, the framework, or nobody."""

import errno
import json
import logging

from werkzeug.exceptions import ImATeapot, RequestTimeout

from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from tests.api.front import NO_VOLUME


def raising(error):
    def clock():
        raise error

    return clock


async def test_route_that_does_not_exist_is_a_404(api):
    for path in ("/nowhere", "/containers//s1", "/containers/a/b/c", "/%00", "/\u00e4"):
        assert await api.refused("GET", path) == (404, "route_not_found", "no such route")


async def test_route_may_end_in_a_slash(api):
    assert await api.get("/containers/") == {"containers": []}


async def test_method_that_a_route_does_not_take_is_a_405_that_tells_those_it_takes(api):
    answer = await api.ask("PUT", "/containers/s1")
    assert answer.status_code == 405
    assert answer.json() == {
        "error": "this route does not take that method",
        "code": "method_not_allowed",
    }
    assert {"GET", "DELETE"} <= set(answer.headers["Allow"].split(", "))


async def test_body_over_the_limit_is_a_413(api):
    volume = await api.volume()
    content = {"path": "large", "content": "x" * (2 * 1024 * 1024)}
    assert await api.refused("POST", f"/volumes/{volume}/files", content) == (
        413,
        "body_too_large",
        "the body is larger than this route takes",
    )


async def test_websocket_route_is_no_page_and_a_page_is_no_websocket(api):
    said = "this route takes WebSockets only, or the request is a WebSocket and the route takes none"
    assert await api.refused("GET", "/ws/s1") == (400, "websocket_mismatch", said)
    refused = await api.shake_hands("/containers", headers={"Authorization": "Bearer x"})
    assert refused.status_code == 401


async def test_bug_is_a_500_that_tells_nothing_but_where_to_look_in_the_log(api, caplog):
    api.system.clock = raising(RuntimeError("/srv/secret/path"))
    answer = await api.ask("POST", "/volumes")
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "an internal error of lightd: please report it with the log line of this request",
        "code": "internal_error",
        "request_id": answer.headers["X-Request-Id"],
    }
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.request_id == answer.headers["X-Request-Id"]
    assert "/srv/secret/path" in str(told.exc_info[1])


async def test_error_has_its_status(api):
    api.client.event_hooks = {}  # what that route never answers is not in the document
    for error, status, code, retry in [
        (RequestTimeout(), 408, "request_timeout", None),
        (ImATeapot(), 418, "refused", None),
        (Overloaded("too many"), 503, "overloaded", "5"),
        (ActorGone("down", quarantined=True), 503, "quarantined", "5"),
        (JournalUnavailable("the disk is full"), 507, "journal_unavailable", "5"),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "no_space", None),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 507, "no_space", None),
        (OSError(errno.EIO, "Input/output error"), 500, "internal_error", None),
        (ActorGone("it broke"), 500, "internal_error", None),
        (ExceptionGroup("", [Overloaded("too many")]), 503, "overloaded", "5"),
    ]:
        api.system.clock = raising(error)
        answer = await api.ask("POST", "/volumes")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers.get("Retry-After") == retry
        assert ("request_id" in answer.json()) is (status == 500)


MALFORMED = [
    (b"", "not valid JSON"),
    (b"{", "not valid JSON"),
    (b"{} {}", "not valid JSON"),
    (b"{'ip': 1}", "not valid JSON"),
    (b'{"port": NaN}', "NaN is no JSON number"),
    (b'{"port": -Infinity}', "-Infinity is no JSON number"),
    (b'{"ip": "\\ud800"}', "half a surrogate pair"),
    (b'{"\\udfff": 1}', "half a surrogate pair"),
    (b'{"ip": "\xff"}', "not valid UTF-8"),
    ('{"ip": "127.0.0.1"}'.encode("utf-16"), "not valid UTF-8"),
    (b'{"port": ' + b"9" * 5000 + b"}", "not valid JSON"),
    (b'{"port": 1, "port": 2}', "port is given twice"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a":' * 100_000, "nested too deeply"),
]


async def test_body_that_is_no_json_is_refused_on_every_route_that_takes_one(api):
    volume = await api.volume()
    await api.port(25565)
    routes = [
        ("POST", "/containers"),
        ("POST", "/network/ports"),
        ("POST", "/network/ports/bulk"),
        ("POST", "/network/ports/bulk-delete"),
        ("PUT", "/network/ports/127.0.0.1/25565/use"),
        ("POST", f"/volumes/{volume}/files"),
        ("POST", f"/volumes/{volume}/folders"),
    ]
    for body, complaint in MALFORMED:
        for method, path in routes:
            answer = await api.ask(method, path, content=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json"), (path, body[:40])
            assert complaint in answer.json()["error"]
        for body_that_is_none in (b"[]", b'"x"', b"5", b"null", b"true"):
            answer = await api.ask(*routes[0], content=body_that_is_none)
            assert answer.json()["error"] == "the body must be a JSON object"


async def test_route_without_fields_takes_an_empty_object_and_no_other(api):
    await api.create()
    routes = [("POST", "/containers/s1/stop"), ("DELETE", "/network/ports/127.0.0.1/25565")]
    for method, path in routes:
        for body in (b"", b" \n", b"{}"):
            await api.port(25565) if method == "DELETE" else None
            assert (await api.ask(method, path, content=body)).status_code == 200
        await api.port(25565) if method == "DELETE" else None
        for body in (b'{"force": true}', b"[1]", b"[]", b"x"):
            assert (await api.ask(method, path, content=body)).status_code == 400


async def test_query_is_read_as_strictly_as_a_body(api):
    await api.create()
    await api.port(25565)
    routes = [
        ("GET", "/containers"),
        ("POST", "/containers"),
        ("GET", "/containers/s1"),
        ("DELETE", "/containers/s1"),
        ("POST", "/containers/s1/start"),
        ("POST", "/containers/s1/revive"),
        ("GET", "/containers/s1/events"),
        ("GET", "/network/ports"),
        ("POST", "/network/ports"),
        ("GET", "/network/ports/random"),
        ("POST", "/network/ports/bulk"),
        ("POST", "/network/ports/bulk-delete"),
        ("GET", "/network/ports/127.0.0.1/25565"),
        ("PUT", "/network/ports/127.0.0.1/25565/use"),
        ("DELETE", "/network/ports/127.0.0.1/25565"),
        ("GET", "/volumes"),
        ("POST", "/volumes"),
        ("GET", f"/volumes/{NO_VOLUME}"),
        ("GET", f"/volumes/{NO_VOLUME}/files"),
        ("POST", f"/volumes/{NO_VOLUME}/files"),
        ("POST", f"/volumes/{NO_VOLUME}/folders"),
    ]
    for method, path in routes:
        assert await api.refused(method, path, odd="1") == (
            400,
            "invalid_request",
            "odd: unknown query parameter",
        )
    assert await api.refused("POST", "/containers/s1/start?wait=1&wait=2") == (
        400,
        "invalid_request",
        "wait: is given twice",
    )


async def test_wait_that_is_no_number_of_seconds_is_refused(api):
    for wait in ("", "x", "-1", "301", "nan", "inf", "1e2", "1_0", " 1", "0x1", "\u0661"):
        number, got = ("", "301.0") if wait == "301" else ("a number ", json.dumps(wait))
        said = f"wait: must be {number}between 0 and 300 (got {got})"
        for method, path in [("POST", ""), ("DELETE", "/x"), ("POST", "/x/stop")]:
            refused = await api.refused(method, f"/containers{path}", wait=wait)
            assert refused == (400, "invalid_request", said)
