"""Ports and the containers that hold them."""

import pytest
import trio
import trio.testing

from actors.container import events
from actors.container.fleet import Fleet
from lightd.api import commands

pytestmark = pytest.mark.one_python

ADDRESS = {"ip": "127.0.0.1", "port": 25565}
PATH = "/network/ports/127.0.0.1/25565"


async def holders(api):
    return {row["port"]: row["used_by"] for row in (await api.get("/network/ports"))["ports"]}


async def test_port_must_be_in_the_pool(api):
    body = await api.a_body(ports=[ADDRESS])
    assert await api.refused("POST", "/containers", body) == (
        404,
        "port_not_found",
        "Port not found in pool: 127.0.0.1:25565/tcp; add it first: POST /network/ports",
    )
    assert await api.get("/containers") == {"containers": []}


async def test_held_port_is_shown_with_its_holder_and_is_left_alone(api):
    await api.port(25565)
    await api.create(ports=[ADDRESS])
    row = {**ADDRESS, "protocol": "tcp", "in_use": True, "used_by": "s1"}
    assert await api.get(PATH) == row
    held = (409, "port_in_use", "port 127.0.0.1:25565/tcp is held by container s1")
    assert await api.refused("DELETE", PATH) == held
    for in_use in (True, False):
        assert await api.refused("PUT", f"{PATH}/use", {"in_use": in_use}) == held
    assert await api.get(PATH) == row


async def test_port_that_is_marked_by_hand_is_not_given_away(api):
    await api.port(25565)
    await api.call("PUT", f"{PATH}/use", {"in_use": True})
    body = await api.a_body(ports=[ADDRESS])
    assert await api.refused("POST", "/containers", body) == (
        409,
        "port_in_use",
        "port 127.0.0.1:25565/tcp is marked as in use: unmark it or choose another port",
    )


async def test_wildcard_collides_with_every_address(api):
    pairs = [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "::1")]
    for port, (first, second) in enumerate(pairs, start=1):
        for ip in (first, second):
            await api.port(port, ip=ip)
            await api.port(port, ip=ip, protocol="udp")
        await api.create(f"a{port}", ports=[{"ip": first, "port": port}])
        body = await api.a_body("b", ports=[{"ip": second, "port": port}])
        assert (await api.refused("POST", "/containers", body))[:2] == (409, "port_in_use")
        await api.create(f"c{port}", ports=[{"ip": second, "port": port, "protocol": "udp"}])


async def test_container_cannot_hold_a_wildcard_and_an_address_of_one_port(api):
    ports = [{"ip": ip, "port": 25565} for ip in ("0.0.0.0", "127.0.0.1")]
    await api.post("/network/ports/bulk", {"ports": ports})
    body = await api.a_body(ports=ports)
    assert (await api.refused("POST", "/containers", body))[:2] == (409, "port_in_use")
    assert await holders(api) == {25565: None}


async def test_container_can_hold_both_wildcards_of_one_port(api):
    ports = [{"ip": ip, "port": 25565} for ip in ("0.0.0.0", "::")]
    await api.post("/network/ports/bulk", {"ports": ports})
    await api.create("a", ports=ports)
    assert {(port["ip"], port["used_by"]) for port in (await api.get("/network/ports"))["ports"]} == {
        ("0.0.0.0", "a"),
        ("::", "a"),
    }


async def test_lease_is_all_or_nothing(api):
    await api.port(1)
    await api.port(2)
    await api.create("a", ports=[{"ip": "127.0.0.1", "port": 2}])
    for others in (2, 3):
        body = await api.a_body("b", ports=[{"ip": "127.0.0.1", "port": port} for port in (1, others)])
        assert (await api.refused("POST", "/containers", body))[0] in (404, 409)
    assert await holders(api) == {1: None, 2: "a"}


async def test_many_creations_on_one_port_have_exactly_one_winner(api):
    await api.port(25565)
    bodies = [await api.a_body(f"s{n}", ports=[ADDRESS]) for n in range(8)]
    statuses = {}

    async def create(body):
        answer = await api.ask("POST", "/containers", body)
        statuses[body["internal_id"]] = answer.status_code

    async with trio.open_nursery() as nursery:
        for body in bodies:
            nursery.start_soon(create, body)
    assert sorted(statuses.values()) == [200] + [409] * 7
    (winner,) = [internal_id for internal_id, status in statuses.items() if status == 200]
    assert await holders(api) == {25565: winner}
    rows = (await api.get("/containers"))["containers"]
    assert [row["internal_id"] for row in rows] == [winner]


async def test_new_container_of_an_old_name_keeps_its_port(api):
    await api.port(25565)
    for _ in range(3):
        await api.create(ports=[ADDRESS])
        await api.call("DELETE", "/containers/s1")
    await api.create(ports=[ADDRESS])
    await api.system.ports.wait_followed()
    assert await holders(api) == {25565: "s1"}


async def test_client_that_leaves_in_the_middle_leaves_a_container_with_its_port_or_neither(api):
    await api.port(25565)
    body = await api.a_body(ports=[ADDRESS])
    api.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.ask, "POST", "/containers", body)
        await api.journal.held.wait()  # the lease is being recorded
        nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked(0.02)  # the server has noticed
    api.journal.gate.set()
    with trio.fail_after(20):
        while "s1" in api.system.leasing.claims:
            await trio.sleep(0.001)
    assert (await api.show())["ports"][0]["port"] == 25565
    assert await holders(api) == {25565: "s1"}


async def test_port_is_given_back_when_the_creation_could_not_be_recorded(api):
    await api.port(25565)
    body = await api.a_body(ports=[ADDRESS])
    commit = api.journal.commit
    release_refused = trio.Event()

    async def lease_only(batch):
        streams = [append.stream for append in batch]
        if api.journal.fault is not None and "portpool" in streams:
            release_refused.set()
        if "container-s1" in streams:
            api.journal.fault = "the disk is full"
        return await commit(batch)

    api.system.bus._journal = Intercepted(api.journal, lease_only)
    status, code, _ = await api.refused("POST", "/containers", body)
    assert (status, code) == (507, "journal_unavailable")
    with trio.fail_after(20):
        await release_refused.wait()
    api.journal.fault = None
    api.system.bus._journal = api.journal
    with trio.fail_after(20):
        while (answer := await api.ask("POST", "/containers", {**body, "internal_id": "s2"})).is_error:
            assert answer.json()["code"] == "journal_unavailable"
    assert await holders(api) == {25565: "s2"}
    rows = (await api.get("/containers"))["containers"]
    assert [row["internal_id"] for row in rows] == ["s2"]


class Intercepted:
    def __init__(self, journal, commit):
        self._journal = journal
        self.commit = commit

    def __getattr__(self, name):
        return getattr(self._journal, name)


async def test_creation_that_the_journal_holds_up_is_given_up_after_a_while(api, monkeypatch):
    await api.port(25565)
    body = await api.a_body(ports=[ADDRESS])
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    api.journal.gate = trio.Event()
    assert (await api.refused("POST", "/containers", body))[:2] == (503, "overloaded")
    api.journal.gate.set()


async def test_bug_that_shows_after_its_caller_has_left_is_logged(api, monkeypatch, caplog):
    gate = trio.Event()

    async def create(*_):
        await gate.wait()
        raise RuntimeError("a bug")

    monkeypatch.setattr(Fleet, "create", create)
    body = await api.a_body()
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    assert (await api.refused("POST", "/containers", body))[:2] == (503, "overloaded")
    assert "a bug" not in caplog.text
    gate.set()
    with trio.fail_after(20):
        while "RuntimeError: a bug" not in caplog.text:
            await trio.sleep(0.01)
    assert "failed after its client had disconnected" in caplog.text


async def test_ports_stay_claimed_while_the_journal_holds_up_the_wish_for_them(api, monkeypatch):
    """Else an earlier change of the container, ending just then, would have them given back."""
    for port in (25565, 25566):
        await api.port(port)
    await api.create(ports=[ADDRESS])
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    gate = trio.Event()

    async def commit(batch):
        if any(isinstance(event, events.RebindRequested) for append in batch for event in append.events):
            await gate.wait()
        return await api.journal.commit(batch)

    api.system.bus._journal = Intercepted(api.journal, commit)
    body = {"ports": [{**ADDRESS, "port": 25566}]}
    refused = await api.refused("POST", "/containers/s1/rebind-network", body)
    assert refused[:2] == (503, "overloaded")
    held = await api.system.leasing.claims.at("s1", 0)
    gate.set()
    assert held == (("127.0.0.1", 25565, "tcp"), ("127.0.0.1", 25566, "tcp"))
    with trio.fail_after(20):
        while "s1" in api.system.leasing.claims or await holders(api) != {25565: None, 25566: "s1"}:
            await trio.sleep(0.01)
