"""Ports and the containers that hold them."""

import trio
import trio.testing

from actors.container import events
from actors.container.fleet import Fleet
from lightd.api import commands

ADDRESS = {"ip": "127.0.0.1", "port": 25565}
PATH = "/network/ports/127.0.0.1/25565"


async def holders(edge):
    return {row["port"]: row["used_by"] for row in (await edge.get("/network/ports"))["ports"]}


async def test_a_port_must_be_in_the_pool(edge):
    body = await edge.a_body(ports=[ADDRESS])
    assert await edge.refused("POST", "/containers", body) == (
        404,
        "port_not_found",
        "Port not found in pool: 127.0.0.1:25565/tcp",
    )
    assert await edge.get("/containers") == {"containers": []}


async def test_a_held_port_is_shown_with_its_holder_and_is_left_alone(edge):
    await edge.port(25565)
    await edge.create(ports=[ADDRESS])
    row = {**ADDRESS, "protocol": "tcp", "in_use": True, "used_by": "s1"}
    assert await edge.get(PATH) == row
    held = (409, "port_in_use", "port 127.0.0.1:25565/tcp is held by container s1")
    assert await edge.refused("DELETE", PATH) == held
    for in_use in (True, False):
        assert await edge.refused("PUT", f"{PATH}/use", {"in_use": in_use}) == held
    assert await edge.get(PATH) == row


async def test_a_port_that_is_marked_by_hand_is_not_given_away(edge):
    await edge.port(25565)
    await edge.call("PUT", f"{PATH}/use", {"in_use": True})
    body = await edge.a_body(ports=[ADDRESS])
    assert await edge.refused("POST", "/containers", body) == (
        409,
        "port_in_use",
        "port 127.0.0.1:25565/tcp is in use by something that was marked by hand",
    )


async def test_a_wildcard_collides_with_every_address(edge):
    pairs = [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "::1")]
    for port, (first, second) in enumerate(pairs, start=1):
        for ip in (first, second):
            await edge.port(port, ip=ip)
            await edge.port(port, ip=ip, protocol="udp")
        await edge.create(f"a{port}", ports=[{"ip": first, "port": port}])
        body = await edge.a_body("b", ports=[{"ip": second, "port": port}])
        assert (await edge.refused("POST", "/containers", body))[:2] == (409, "port_in_use")
        await edge.create(f"c{port}", ports=[{"ip": second, "port": port, "protocol": "udp"}])


async def test_a_container_cannot_hold_a_wildcard_and_an_address_of_one_port(edge):
    ports = [{"ip": ip, "port": 25565} for ip in ("0.0.0.0", "127.0.0.1")]
    await edge.post("/network/ports/bulk", {"ports": ports})
    body = await edge.a_body(ports=ports)
    assert (await edge.refused("POST", "/containers", body))[:2] == (409, "port_in_use")
    assert await holders(edge) == {25565: None}


async def test_a_lease_is_all_or_nothing(edge):
    await edge.port(1)
    await edge.port(2)
    await edge.create("a", ports=[{"ip": "127.0.0.1", "port": 2}])
    for others in (2, 3):
        body = await edge.a_body("b", ports=[{"ip": "127.0.0.1", "port": port} for port in (1, others)])
        assert (await edge.refused("POST", "/containers", body))[0] in (404, 409)
    assert await holders(edge) == {1: None, 2: "a"}


async def test_of_many_creations_on_one_port_exactly_one_wins(edge):
    await edge.port(25565)
    bodies = [await edge.a_body(f"s{n}", ports=[ADDRESS]) for n in range(8)]
    statuses = {}

    async def create(body):
        answer = await edge.ask("POST", "/containers", body)
        statuses[body["internal_id"]] = answer.status_code

    async with trio.open_nursery() as nursery:
        for body in bodies:
            nursery.start_soon(create, body)
    assert sorted(statuses.values()) == [200] + [409] * 7
    (winner,) = [internal_id for internal_id, status in statuses.items() if status == 200]
    assert await holders(edge) == {25565: winner}
    rows = (await edge.get("/containers"))["containers"]
    assert [row["internal_id"] for row in rows] == [winner]


async def test_a_new_container_of_an_old_name_keeps_its_port(edge):
    await edge.port(25565)
    for _ in range(3):
        await edge.create(ports=[ADDRESS])
        await edge.call("DELETE", "/containers/s1")
    await edge.create(ports=[ADDRESS])
    await edge.system.ports.wait_followed()
    assert await holders(edge) == {25565: "s1"}


async def test_a_client_that_leaves_in_the_middle_leaves_a_container_with_its_port_or_neither(edge):
    await edge.port(25565)
    body = await edge.a_body(ports=[ADDRESS])
    edge.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(edge.ask, "POST", "/containers", body)
        await edge.journal.held.wait()  # the lease is being recorded
        nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked(0.02)  # the server has noticed
    edge.journal.gate.set()
    with trio.fail_after(20):
        while "s1" in edge.system.leasing.claims:
            await trio.sleep(0.001)
    assert (await edge.show())["ports"][0]["port"] == 25565
    assert await holders(edge) == {25565: "s1"}


async def test_a_port_is_given_back_when_the_creation_could_not_be_recorded(edge):
    await edge.port(25565)
    body = await edge.a_body(ports=[ADDRESS])
    commit = edge.journal.commit
    release_refused = trio.Event()

    async def lease_only(batch):
        streams = [append.stream for append in batch]
        if edge.journal.fault is not None and "portpool" in streams:
            release_refused.set()
        if "container-s1" in streams:
            edge.journal.fault = "the disk is full"
        return await commit(batch)

    edge.system.bus._journal = Intercepted(edge.journal, lease_only)
    status, code, _ = await edge.refused("POST", "/containers", body)
    assert (status, code) == (507, "journal_unavailable")
    with trio.fail_after(20):
        await release_refused.wait()
    edge.journal.fault = None
    edge.system.bus._journal = edge.journal
    with trio.fail_after(20):
        while (answer := await edge.ask("POST", "/containers", {**body, "internal_id": "s2"})).is_error:
            assert answer.json()["code"] == "journal_unavailable"
    assert await holders(edge) == {25565: "s2"}
    rows = (await edge.get("/containers"))["containers"]
    assert [row["internal_id"] for row in rows] == ["s2"]


class Intercepted:
    def __init__(self, journal, commit):
        self._journal = journal
        self.commit = commit

    def __getattr__(self, name):
        return getattr(self._journal, name)


async def test_a_creation_that_the_journal_holds_up_is_given_up_after_a_while(edge, monkeypatch):
    await edge.port(25565)
    body = await edge.a_body(ports=[ADDRESS])
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    edge.journal.gate = trio.Event()
    assert (await edge.refused("POST", "/containers", body))[:2] == (503, "overloaded")
    edge.journal.gate.set()


async def test_a_bug_that_shows_after_whoever_asked_has_left_is_in_the_log(edge, monkeypatch, caplog):
    gate = trio.Event()

    async def create(*_):
        await gate.wait()
        raise RuntimeError("a bug")

    monkeypatch.setattr(Fleet, "create", create)
    body = await edge.a_body()
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    assert (await edge.refused("POST", "/containers", body))[:2] == (503, "overloaded")
    assert "a bug" not in caplog.text
    gate.set()
    with trio.fail_after(20):
        while "RuntimeError: a bug" not in caplog.text:
            await trio.sleep(0.01)
    assert "failed after its client had disconnected" in caplog.text


async def test_ports_stay_claimed_while_the_journal_holds_up_the_wish_for_them(edge, monkeypatch):
    """Else an earlier change of the container, ending just then, would have them given back."""
    for port in (25565, 25566):
        await edge.port(port)
    await edge.create(ports=[ADDRESS])
    monkeypatch.setattr(commands, "DECISION_TIMEOUT", 0.05)
    gate = trio.Event()

    async def commit(batch):
        if any(isinstance(event, events.RebindRequested) for append in batch for event in append.events):
            await gate.wait()
        return await edge.journal.commit(batch)

    edge.system.bus._journal = Intercepted(edge.journal, commit)
    body = {"ports": [{**ADDRESS, "port": 25566}]}
    refused = await edge.refused("POST", "/containers/s1/rebind-network", body)
    assert refused[:2] == (503, "overloaded")
    held = await edge.system.leasing.claims.at("s1", 0)
    gate.set()
    assert held == (("127.0.0.1", 25565, "tcp"), ("127.0.0.1", 25566, "tcp"))
    with trio.fail_after(20):
        while "s1" in edge.system.leasing.claims or await holders(edge) != {25565: None, 25566: "s1"}:
            await trio.sleep(0.01)
