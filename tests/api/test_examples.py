"""The errors in the document's examples are those that the daemon gives, its frames those that are sent."""

import json
import sys

import jsonschema_rs
import pytest
import trio

from lightd.http import errors
from lightd.http.live.inbound import INBOUND
from lightd.http.live.kinds import OUTBOUND
from lightd.http.openapi import asyncapi, frames, samples
from lightd.http.openapi.document import to_document
from lightd.http.openapi.errors import MESSAGES
from lightd.http.routes.table import SECTIONS
from lightd.http.transport import refusal
from tests.api.front import HEADERS, NO_VOLUME, TOKEN
from tests.rig import engine
from tests.support.page_lines import has_form

NOBODY = {**HEADERS, "Authorization": "Bearer lightd_nobody_has_this_token"}
PORT = {"ip": "127.0.0.1", "port": 25565}
ONLY_JSON = {**HEADERS, "Accept": "application/json"}

REQUESTS = [
    ("invalid_request", "POST", "/containers/server-001/rebind-network", {}, {}),
    ("malformed_json", "POST", "/volumes/{volume}/files", None, {"content": b"x"}),
    ("invalid_id", "DELETE", "/auth/tokens/x", None, {}),
    ("invalid_path", "POST", "/volumes/{volume}/files", {"path": "../x", "content": ""}, {}),
    ("unauthorized", "GET", "/containers", None, {"headers": NOBODY}),
    ("vendor_header_required", "GET", "/containers", None, {"headers": ONLY_JSON}),
    ("container_not_found", "GET", "/containers/nobody", None, {}),
    ("volume_not_found", "GET", f"/volumes/{NO_VOLUME}", None, {}),
    ("operation_not_found", "GET", f"/operations/start-{'0' * 32}", None, {}),
    ("port_not_found", "DELETE", "/network/ports/127.0.0.1/9", None, {}),
    ("token_not_found", "DELETE", f"/auth/tokens/{'0' * 24}", None, {}),
    ("no_available_ports", "GET", "/network/ports/random", None, {"params": {"protocol": "udp"}}),
    (
        "file_not_found",
        "GET",
        "/volumes/{volume}/files/content",
        None,
        {"params": {"path": "config/server.properties"}},
    ),
    ("not_quarantined", "POST", "/containers/server-001/revive", None, {}),
    ("port_exists", "POST", "/network/ports", PORT, {}),
    ("port_in_use", "DELETE", "/network/ports/127.0.0.1/25565", None, {}),
    ("volume_in_use", "DELETE", "/volumes/{volume}", None, {}),
    (
        "file_exists",
        "POST",
        "/volumes/{volume}/copy",
        {"source": "world", "destination": "world.old"},
        {},
    ),
    ("wrong_kind", "GET", "/volumes/{volume}/files/content", None, {"params": {"path": "world"}}),
    (
        "range_not_satisfiable",
        "GET",
        "/volumes/{volume}/files/content",
        None,
        {"params": {"path": "server.jar"}, "headers": {**HEADERS, "Range": "bytes=1000-"}},
    ),
    (
        "precondition_failed",
        "GET",
        "/volumes/{volume}/files/content",
        None,
        {"params": {"path": "server.jar"}, "headers": {**HEADERS, "If-Match": '"x"'}},
    ),
    ("route_not_found", "GET", "/nowhere", None, {}),
    ("method_not_allowed", "PUT", "/containers/server-001", None, {}),
    ("websocket_mismatch", "GET", "/ws/server-001", None, {}),
]


async def test_error_of_an_example_is_the_one_that_the_daemon_gives(api):
    await api.post("/network/ports", PORT)
    volume = await api.volume()
    for path in ("world", "world.old"):
        await api.post(f"/volumes/{volume}/folders", {"path": path})
    path = f"/volumes/{volume}/files/content"
    await api.client.put(api.url + path, params={"path": "server.jar"}, content=bytes(1000), headers=HEADERS)
    await api.create("server-001", volume_id=volume, ports=[PORT])
    for code, method, path, body, options in REQUESTS:
        answer = await api.ask(method, path.format(volume=volume), body, **options)
        assert (answer.json()["code"], answer.json()["error"]) == (code, MESSAGES[code])
    status, code, message = await api.refused(
        "POST", "/containers", {**(await api.a_body("server-001")), "volume_id": volume}
    )
    assert (status, code, message) == (409, "already_exists", MESSAGES[code])


async def test_error_of_an_action_that_failed_has_the_form_of_its_example(api):
    body = await api.a_body("server-001", image="busybox:nope")
    answer = await api.ask("POST", "/containers", body, params={"wait": 60})
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_failed")
    example = to_document(SECTIONS)["components"]["examples"]["operation_failed"]["value"]
    assert has_form(answer.json(), example)


async def test_errors_of_tokens_in_examples_are_those_that_the_daemon_gives(api):
    minted = await api.post("/auth/tokens", {"ttl": "1h", "permissions": ["power"]})
    headers = {**HEADERS, "Authorization": f"Bearer {minted['token']}"}
    for code, path in (("permission_denied", "/remote/status"), ("master_token_required", "/audit")):
        answer = await api.ask("GET", path, headers=headers)
        assert (answer.json()["code"], answer.json()["error"]) == (code, MESSAGES[code])


def test_errors_of_the_server_in_examples_are_those_that_it_gives():
    for each in vars(refusal).values():
        if isinstance(each, refusal.Refusal) and each.code in MESSAGES.keys() - {"internal_error"}:
            said = [
                other.error for other in vars(refusal).values() if getattr(other, "code", "") == each.code
            ]
            assert MESSAGES[each.code] in [*said, errors._FRAMEWORK.get(each.code)]
    assert errors._FRAMEWORK.items() <= MESSAGES.items()


# ---- the frames


MESSAGE = {
    name: message["payload"] for name, message in asyncapi.to_document()["components"]["messages"].items()
}
CHANNELS = asyncapi.to_document()["channels"]


def test_every_frame_of_the_code_is_in_the_asyncapi_document():
    assert MESSAGE.keys() == OUTBOUND.keys() | INBOUND.keys()
    assert CHANNELS["watch_container"]["messages"].keys() == MESSAGE.keys()
    assert {channel["address"] for channel in CHANNELS.values()} == {"/ws", "/ws/{internal_id}"}


def check(frame):
    """Check that a frame is one that its schema allows."""
    validator = jsonschema_rs.Draft202012Validator(MESSAGE[frame["event"]])
    assert [each.message for each in validator.iter_errors(frame)] == [], frame


async def test_frames_that_are_sent_are_those_of_the_asyncapi_document(api):
    await api.create(start_pattern="Ready")
    sent = [
        {"event": "power", "action": "start"},
        {"event": "resize", "columns": 120, "rows": 40},
        {"event": "send_command", "command": "say hello"},
        {"event": "request_logs", "lines": 10},
    ]
    async with api.console() as console, api.console("") as node:
        for frame in sent:
            check(frame)
            await console.send(**frame)
            if frame["event"] == "power":
                await console.until("event", "running")
        await console.send("power", action="fly")
        for event in OUTBOUND.keys() - {"gap"}:
            if all(frame["event"] != event for frame in console.frames):
                await console.until(event)
        await node.until("event", "running")
        for frame in (*console.frames, *node.frames):
            check(frame)
        assert {frame["event"] for frame in node.frames} <= CHANNELS["watch_node"]["messages"].keys()
    seen = {frame["event"]: frame for frame in console.frames}
    for event, frame in seen.items():
        if event != "event":  # its fields are those of the state
            assert has_form(
                frame, asyncapi.to_document()["components"]["messages"][event]["examples"][0]["payload"]
            )


async def test_sample_of_the_websocket_in_python_works_as_it_stands(api, tmp_path):
    await api.running(internal_id="server-001")
    source = frames.SAMPLES["Python"].replace(
        samples.ADDRESS.removeprefix("http"), api.url.removeprefix("http")
    )
    path = tmp_path / "watch.py"
    path.write_text(source.replace(samples.TOKEN, TOKEN))
    done = await trio.run_process([sys.executable, "-W", "error", str(path)], capture_stdout=True)
    assert "'event': 'logs'" in done.stdout.decode().splitlines()[-1]


async def test_sample_of_the_websocket_in_javascript_is_javascript(tmp_path):
    engine.require("node")
    path = tmp_path / "watch.mjs"
    path.write_text(frames.SAMPLES["JavaScript"])
    await trio.run_process(["node", "--check", str(path)])


async def test_asyncapi_document_is_served_to_those_who_may(api):
    assert await api.get("/asyncapi.json") == json.loads(json.dumps(asyncapi.to_document()))
    assert (await api.ask("GET", "/asyncapi.json", headers={})).status_code == 401


@pytest.mark.parametrize("name", OUTBOUND)
def test_frame_with_a_field_that_the_document_lacks_is_noticed(name):
    (example,) = asyncapi.to_document()["components"]["messages"][name]["examples"]
    check(example["payload"])
    with pytest.raises(AssertionError):
        check({**example["payload"], "more": 1})
