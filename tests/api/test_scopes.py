"""What a token reaches over HTTP: every route, with each permission, of its own container and of another's.

What is expected is what the page of the API says; its table and the daemon's are compared in ``pure``.
"""

import attrs
import pytest
import trio

from actors.tokens.grant import PERMISSIONS
from lightd.http.app import make_app
from lightd.http.routes.table import ROUTES
from tests.api.front import NO_VOLUME, TOKEN
from tests.support.fake_engine.engine import RIG_IMAGE
from tests.support.scoped import bearing, mint, read_routes, to_written

pytestmark = pytest.mark.one_python

OPEN = {route.path for route in ROUTES if route.is_open}
NO_OPERATION = f"start-{'0' * 32}"


@attrs.define
class Tenant:
    """One container, and what belongs to it."""

    internal_id: str
    volume_id: str
    port: int
    operation: str
    job: str

    def path(self, route):
        """The path of ``route``, about what is this one's."""
        volume = route.startswith("/volumes")
        path = route.replace(":operation", self.job if volume else self.operation)
        path = path.replace(":ip/:port", f"127.0.0.1/{self.port}")
        return path.replace(":id", self.volume_id if volume else self.internal_id)


NOBODY = Tenant("none", NO_VOLUME, 9, NO_OPERATION, NO_OPERATION)


async def a_tenant(api, internal_id, port):
    address = await api.port(port)
    made = await api.create(internal_id, ports=[address])
    volume_id = (await api.show(internal_id))["volume_id"]
    zipped = {"format": "zip", "output_name": "all"}
    job = await api.post(f"/volumes/{volume_id}/compress", zipped, wait=20)
    return Tenant(internal_id, volume_id, port, made["operation_id"], job["operation_id"])


async def knock(api, token, route, tenant):
    """What is said to a request that gets no further than to its route: 400 there."""
    method, _, path = route.partition(" ")
    path = tenant.path(path) + "?odd=1"
    if method == "WS":
        return await api.shake_hands(path, headers={"Authorization": f"Bearer {token}"})
    return await api.ask(method, path, headers=bearing(token), content=b"{")


def expect(route, tenant, containers, permissions):
    """What the page says of it: a status, its slug, and what the sentence holds."""
    needs, closed = read_routes()[route]
    if needs == "nothing":
        return 200, None, "Lightd is running"
    if needs == "the master token":
        return 403, "master_token_required", "only the master token may do this"
    if needs != "any token" and permissions is not None and needs not in permissions:
        return 403, "permission_denied", f"this token lacks the permission {needs}"
    if closed and containers is not None:
        return 403, "permission_denied", "this route is about the whole node"
    if ":" in route and containers is not None and tenant.internal_id not in containers:
        return 404, None, "not found" if "/:port" in route else "no such "
    return 400, "invalid_request", "odd: unknown query parameter"


@pytest.mark.parametrize("containers", [None, ["s1"], []], ids=["all", "one", "none"])
async def test_every_route_lets_in_who_the_page_says_and_nobody_else(api, containers):
    tenants = [await a_tenant(api, "s1", 25565), await a_tenant(api, "s2", 25566)]
    seen = set()
    for permissions in ([], *([each] for each in PERMISSIONS), PERMISSIONS, None):
        token = await mint(api, containers, permissions)
        for route in read_routes():
            for tenant in tenants if permissions in ([], None) else tenants[:1]:
                answer = await knock(api, token, route, tenant)
                status, code, said = expect(route, tenant, containers, permissions)
                where = (route, tenant.internal_id, containers, permissions, answer.text)
                assert answer.status_code == status, where
                assert said in answer.text, where
                assert code is None or answer.json()["code"] == code, where
                seen.add((status, code))
    assert len(seen) == (4 if containers is None else 5)


async def test_master_gets_in_everywhere(api):
    tenant = await a_tenant(api, "s1", 25565)
    for route in read_routes():
        answer = await knock(api, TOKEN, route, tenant)
        assert answer.status_code == 400 or route.split()[1] in OPEN, route


async def test_every_route_has_a_record_and_every_record_a_route(api):
    app = make_app(api.system, None)
    rules = list(app.url_map.iter_rules())
    found = {
        (rule.endpoint, "WS" if rule.websocket else "".join(rule.methods - {"HEAD"}), rule.rule)
        for rule in rules
    }
    assert found == {(route.name, route.method, route.rule) for route in ROUTES}
    assert len(rules) == len(ROUTES)
    assert set(map(to_written, ROUTES)) == read_routes().keys()


async def test_route_that_has_no_record_is_served_to_nobody(api):
    app = make_app(api.system, None)
    app.add_url_rule("/secrets", endpoint="secrets", view_func=lambda: "hunter2", methods=["GET"])
    client = app.test_client()
    for token, status in ((TOKEN, 500), (await mint(api), 500), ("wrong", 401)):
        answer = await client.get("/secrets", headers=bearing(token))
        assert answer.status_code == status
        assert b"hunter2" not in await answer.get_data()


async def test_route_is_told_before_the_scope_and_the_scope_before_the_body(api):
    await api.create()
    token = await mint(api, ["s1"], [])
    headers = bearing(token)

    async def ask(method, path, headers=headers):
        answer = await api.ask(method, path, headers=headers, content=b"{")
        return answer.status_code, answer.json()["code"]

    vendorless = {"Authorization": headers["Authorization"]}
    assert await ask("POST", "/containers", vendorless) == (403, "vendor_header_required")
    assert await ask("GET", "/no/such/route") == (404, "route_not_found")
    assert await ask("PUT", "/containers") == (405, "method_not_allowed")
    assert await ask("POST", "/containers") == (403, "permission_denied")
    assert await ask("PATCH", "/containers/s1") == (403, "permission_denied")
    # What a token lacks is said of anything, so it tells nothing about what is there.
    assert await ask("PATCH", "/containers/none") == (403, "permission_denied")
    assert await ask("PATCH", "/containers/-none") == (403, "permission_denied")
    other = bearing(await mint(api, ["s2"]))
    assert await ask("PATCH", "/containers/s1", other) == (404, "container_not_found")
    assert await ask("PATCH", "/containers/-s1", other) == (400, "invalid_id")


def same(answer):
    """All of an answer but what is each one's own."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status_code, answer.content, headers


async def test_resource_of_another_tenant_is_answered_byte_for_byte_as_a_missing_one(api):
    await a_tenant(api, "s1", 25565)
    other = await a_tenant(api, "s2", 25566)
    headers = bearing(await mint(api, ["s1"]))
    for route in read_routes():
        method, _, path = route.partition(" ")
        if ":" not in path:
            continue
        if method == "WS":
            shake = {"Authorization": headers["Authorization"]}
            theirs = await api.shake_hands(other.path(path), headers=shake)
            nothing = await api.shake_hands(NOBODY.path(path), headers=shake)
        else:
            theirs = await api.ask(method, other.path(path), headers=headers)
            nothing = await api.ask(method, NOBODY.path(path), headers=headers)
        assert same(theirs) == same(nothing), route
        if method in ("GET", "DELETE") and theirs.status_code != 403:
            query = "?path=x&upload=u" if path.endswith("/upload") else "?path=x" if "content" in path else ""
            assert same(theirs) == same(await api.ask(method, NOBODY.path(path) + query)), route


async def test_id_that_cannot_be_one_is_refused_as_for_everybody(api):
    await a_tenant(api, "s1", 25565)
    headers = bearing(await mint(api, ["s1"]))
    for path in (
        "/containers/-s1",
        "/containers/s1%00",
        "/containers/s1%20",
        "/containers/s1%0A",
        "/containers/S%C3%A9",
        f"/containers/{'s' * 64}",
        "/containers/%2e%2e",
        f"/volumes/{NO_VOLUME.upper().replace('0', 'A')}",
        f"/volumes/{NO_VOLUME}%0a",
        "/volumes/%2e%2e",
        "/network/ports/127.0.0.1/0",
        "/network/ports/localhost/25565",
        "/network/ports/127.0.0.1/25565?protocol=x",
        "/operations/%2e%2e",
        "/operations/start-%00",
    ):
        assert same(await api.ask("GET", path, headers=headers)) == same(await api.ask("GET", path)), path


async def ask_raw(api, method, path, headers):
    """The status and the body that a request for exactly that path is answered with."""
    host, port = api.url.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join([piece async for piece in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def test_no_spelling_of_a_path_leads_around_the_table(api):
    mine, other = await a_tenant(api, "s1", 25565), await a_tenant(api, "s2", 25566)
    headers = bearing(await mint(api, ["s1"], ["files.read"]))
    statuses = {}
    for path in (
        "/containers/s2/",
        "/containers//s2",
        "//containers/s2",
        "/./containers/s2",
        "/containers/./s2",
        "/containers/s1/../s2",
        "/containers/s1%2F..%2Fs2",
        "/containers/s1/%2e%2e/s2",
        "/containers/s1%2f%2e%2e%2fs2/events",
        "/containers/%73%32",
        "/containers/s%32/events/",
        "/%63ontainers/s2",
        "/containers/s2%2Fevents",
        "/containers/s1;/../s2",
        "/containers/S2",
        f"/volumes/{other.volume_id}/files/",
        f"/volumes/{mine.volume_id}/../{other.volume_id}/files",
        f"/volumes/{mine.volume_id}%2F..%2F{other.volume_id}/files",
        f"/volumes/{other.volume_id.upper()}/files",
        f"/volumes/%7B{other.volume_id}%7D/files",
        f"/volumes/{mine.volume_id}/operations/{other.job}",
        f"/operations/{other.operation}/",
        f"/operations/{other.operation.upper()}",
    ):
        for method in ("GET", "HEAD"):
            status, answer = statuses[method, path] = await ask_raw(api, method, path, headers)
            assert status in (400, 404), (method, path, answer)
            assert "s2" not in answer, path
    assert statuses["GET", "/containers/%73%32"] == statuses["GET", "/containers/s2/"]
    assert statuses["GET", "/containers/s2/"][0] == statuses["HEAD", "/containers/s2/"][0] == 404
    # The same spellings of what is its own are either that or nothing.
    for path in ("/containers/%73%31", "/containers/s1/"):
        assert (await ask_raw(api, "GET", path, headers))[0] == 200


async def test_method_that_the_framework_adds_needs_what_it_stands_for(api):
    mine, other = await a_tenant(api, "s1", 25565), await a_tenant(api, "s2", 25566)
    token = bearing(await mint(api, ["s1"], ["stats"]))
    reading = bearing(await mint(api, ["s1"], ["files.read"]))
    content = "files/content?path=all.zip"
    for headers, path, status in (
        (token, f"/volumes/{mine.volume_id}/{content}", 403),
        (reading, f"/volumes/{mine.volume_id}/{content}", 200),
        (reading, f"/volumes/{other.volume_id}/{content}", 404),
        (token, "/containers/s1/logs", 403),
        (token, "/containers/s2", 404),
        (token, "/containers/s1", 200),
        (token, "/remote/config", 403),
    ):
        answer = await api.ask("HEAD", path, headers=headers)
        assert (answer.status_code, answer.content) == (status, b""), path
    there = await api.ask("OPTIONS", "/containers/s2", headers=token)
    nowhere = await api.ask("OPTIONS", "/containers/none", headers=token)
    assert same(there)[:2] == same(nowhere)[:2]
    assert there.status_code == 405
    assert set(there.headers["Allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE"}
    for method in ("TRACE", "CONNECT", "PROPFIND", "GE"):
        answer = await api.ask(method, "/containers/s2", headers=token)
        assert answer.status_code in (400, 405), method
    # A method is what the request line says, whatever else a client sends.
    sneaky = {**token, "X-HTTP-Method-Override": "GET", "X-Original-URL": "/containers/s1"}
    assert (await api.ask("DELETE", "/containers/s1", headers=sneaky)).status_code == 403
    assert (await api.ask("GET", "/containers/s2", headers=sneaky)).status_code == 404


async def test_lists_have_what_the_token_reaches_and_nothing_else(api):
    await a_tenant(api, "s1", 25565)
    other = await a_tenant(api, "s2", 25566)
    await api.port(25567)
    await api.volume()
    for containers, ids, ports in (
        (None, ["s1", "s2"], 3),
        (["s2"], ["s2"], 1),
        (["s2", "none"], ["s2"], 1),
        (["none"], [], 0),
        ([], [], 0),
    ):
        headers = bearing(await mint(api, containers))

        async def ask(path, headers=headers):
            return (await api.ask("GET", path, headers=headers)).json()

        assert [row["internal_id"] for row in (await ask("/containers"))["containers"]] == ids
        volumes = [row["volume_id"] for row in (await ask("/volumes"))["volumes"]]
        assert len(volumes) == (3 if containers is None else len(ids))
        assert containers is None or volumes == [other.volume_id] * len(ids)
        held = (await ask("/network/ports"))["ports"]
        assert len(held) == ports
        assert containers is None or [row["used_by"] for row in held] == ids
        assert (await ask("/network/ports/random"))["port"] == 25567  # a free one, to rebind to
        assert (await api.ask("GET", "/network/ports/127.0.0.1/25567", headers=headers)).status_code == (
            200 if containers is None else 404
        )


async def test_secrets_are_for_those_who_could_set_them(api, tmp_path):
    (tmp_path / "allowed").mkdir()
    secret = {
        "environment": {"PASSWORD": "hunter2"},
        "install_script": "echo hunter2",
        "mount": {"/extra": str(tmp_path / "allowed")},
    }
    await api.create(command="exit 3 # hunter2", **secret)
    await api.call("PATCH", "/containers/s1", {"environment": {"PASSWORD": "hunter2", "tail": "hunter2"}})
    await api.call("PATCH", "/containers/s1", {"startup_command": "echo 'wars' 'chen'; exit 3; hunter2"})
    reinstalled = {"install": {"image": RIG_IMAGE, "script": "exit 0; echo hunter2"}}
    await api.post("/containers/s1/reinstall", reinstalled, wait=20)
    await api.power("start")
    with trio.fail_after(10):
        while "exited" not in await api.types():
            await trio.sleep(0.01)
    hidden = {"environment", "install", "install_script", "mount", "startup_command"}
    volume_id = (await api.show())["volume_id"]

    async def ask(path, permissions):
        headers = bearing(await mint(api, ["s1"], permissions))
        answer = await api.ask("GET", path, headers=headers)
        assert answer.status_code == 200
        return answer

    whole = await api.show()
    without = [each for each in PERMISSIONS if each != "admin"]
    for permissions in ([], without):
        answer = await ask("/containers/s1", permissions)
        assert answer.json() == {name: value for name, value in whole.items() if name not in hidden}
        history = await ask("/containers/s1/events", permissions)
        assert "hunter2" not in history.text
        assert str(tmp_path) not in history.text
        assert ("wars" in history.text) == ("console.read" in permissions)  # it is what was printed too
    assert (await ask("/containers/s1", ["admin"])).json() == whole
    assert (await ask("/containers/s1", None)).json() == whole
    shown = await ask("/containers/s1/events", ["admin", "console.read"])
    assert shown.json() == await api.get("/containers/s1/events")
    assert "hunter2" in shown.text
    assert '"tail":' not in (await ask("/containers/s1/events", ["admin"])).text
    for path in (f"/volumes/{volume_id}", "/volumes"):
        assert str(tmp_path) not in (await ask(path, ["files.read"])).text
        assert str(tmp_path) in (await ask(path, ["files.read", "admin"])).text


async def test_volume_is_reached_for_as_long_as_a_container_of_the_token_is_on_it(api):
    headers = bearing(await mint(api, ["s1", "s3"]))
    volume_id = await api.volume()

    async def status(path=f"/volumes/{volume_id}/files"):
        return (await api.ask("GET", path, headers=headers)).status_code

    assert await status() == 404  # nobody is on it
    api.faults.gates["create_server"] = trio.Event()
    made = await api.post("/containers", await api.a_body(volume_id=volume_id))
    assert await status() == 200  # it is being installed
    assert await status(f"/operations/{made['operation_id']}") == 200
    api.faults.gates.pop("create_server").set()
    with trio.fail_after(10):
        while (await api.show())["install_state"] != "ready":
            await trio.sleep(0.01)
    assert await status() == 200
    zipped = {"format": "zip", "output_name": "all"}
    job = (await api.post(f"/volumes/{volume_id}/compress", zipped, wait=20))["operation_id"]
    assert await status(f"/operations/{job}") == 200
    await api.post("/containers/s1/reinstall", {}, wait=20)
    assert await status() == 200
    await api.call("DELETE", "/containers/s1")
    assert await status() == await status(f"/operations/{job}") == 404
    await api.create("s2", volume_id=volume_id)  # somebody else's, on the volume that was left
    for path in ("", "/files", "/quota", f"/operations/{job}"):
        assert await status(f"/volumes/{volume_id}{path}") == 404
    assert await status(f"/operations/{job}") == 404
    await api.create("s1")  # another one, under the old name, on a volume of its own
    assert await status() == 404
    assert await status(f"/volumes/{(await api.show())['volume_id']}/files") == 404
    headers = bearing(await mint(api, ["s1"]))
    assert await status() == 404
    assert await status(f"/volumes/{(await api.show())['volume_id']}/files") == 200


async def test_container_that_failed_to_install_has_its_volume_seen_still(api):
    body = await api.a_body(image="no/such:image")
    await api.post("/containers", body, wait=20, status=409)
    headers = bearing(await mint(api, ["s1"], ["files.read"]))
    assert (await api.ask("GET", f"/volumes/{body['volume_id']}/files", headers=headers)).status_code == 200


async def test_operations_of_others_are_not_there(api):
    mine, other = await a_tenant(api, "s1", 25565), await a_tenant(api, "s2", 25566)
    joined = await api.power("stop", "s2")  # was true already, so it is in no journal
    headers = bearing(await mint(api, ["s1"], []))

    async def ask(operation_id):
        return await api.ask("GET", f"/operations/{operation_id}", headers=headers)

    for operation_id in (mine.operation, mine.job):
        assert (await ask(operation_id)).json()["operation_id"] == operation_id
    nothing = same(await ask(NO_OPERATION))
    assert nothing[0] == 404
    for operation_id in (other.operation, other.job, joined["operation_id"]):
        assert same(await ask(operation_id)) == nothing
        assert (await api.get(f"/operations/{operation_id}"))["operation_id"] == operation_id


async def test_token_for_some_containers_can_not_create_anything(api):
    body = await api.a_body("s1")
    headers = bearing(await mint(api, ["s1"]))
    for path, each in (
        ("/containers", body),
        ("/volumes", {}),
        ("/network/ports", {"ip": "127.0.0.1", "port": 25565, "protocol": "tcp"}),
    ):
        answer = await api.ask("POST", path, each, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    everywhere = bearing(await mint(api, None, ["admin", "network"]))
    assert (await api.ask("POST", "/volumes", {}, headers=everywhere)).status_code == 201
    assert (await api.ask("POST", "/containers", body, headers=everywhere)).status_code == 200


async def test_ports_are_rebound_by_a_token_for_the_container_that_is_not_told_whose_they_are(api):
    await a_tenant(api, "s1", 25565)
    await a_tenant(api, "s2", 25566)
    free = await api.port(25567)
    headers = bearing(await mint(api, ["s1"], ["network"]))

    async def rebind(internal_id, port):
        body = {"ports": [{"ip": "127.0.0.1", "port": port}]}
        return await api.ask("POST", f"/containers/{internal_id}/rebind-network", body, headers=headers)

    taken = await rebind("s1", 25566)
    assert (taken.status_code, taken.json()["code"]) == (409, "port_in_use")
    assert "s2" not in taken.text
    assert (await rebind("s2", free["port"])).status_code == 404
    assert (await rebind("s1", free["port"])).status_code == 200
    with trio.fail_after(10):
        while (await api.show())["ports"][0]["port"] != free["port"]:
            await trio.sleep(0.01)
    for_everybody = await api.refused(
        "POST", "/containers/s1/rebind-network", {"ports": [{"ip": "127.0.0.1", "port": 25566}]}
    )
    assert "container s2" in for_everybody[2]


async def test_token_without_containers_does_what_it_has_the_permission_for_to_all_of_them(api):
    await a_tenant(api, "s1", 25565)
    await a_tenant(api, "s2", 25566)
    headers = bearing(await mint(api, None, ["power"]))
    for internal_id in ("s1", "s2"):
        answer = await api.ask("POST", f"/containers/{internal_id}/start?wait=20", headers=headers)
        assert answer.json()["status"] == "succeeded"
        answer = await api.ask("DELETE", f"/containers/{internal_id}", headers=headers)
        assert answer.json()["error"] == "this token lacks the permission admin"


async def test_token_is_no_wider_for_the_query_header_or_body_that_comes_with_it(api):
    await a_tenant(api, "s1", 25565)
    await a_tenant(api, "s2", 25566)
    token = await mint(api, ["s1"], [])
    headers = {**bearing(token), "X-Lightd-Containers": "s2", "Cookie": f"token={TOKEN}"}
    answer = await api.ask("GET", f"/containers/s2?token={TOKEN}&internal_id=s1", headers=headers)
    assert answer.status_code == 404
    answer = await api.ask("POST", "/containers/s1/start?permissions=power", {"x": 1}, headers=headers)
    assert answer.status_code == 403
