"""What ``GET /node`` says of the daemon, its host and its engine, and who may ask."""

import pytest
import trio

from actors.container.engine import EngineFault, EngineRefused, EngineUnavailable
from lightd.engines.host import description, facts
from lightd.http.routes.node import _to_delays
from lightd.logs.loop_delay import BLOCKED, Delays
from tests.support.fake_engine.engine import Call


async def test_node_is_shown_with_its_counts(api):
    await api.running(ports=[await api.port(7000)])
    await api.create("s2")
    await api.port(7001)
    found = await api.get("/node")
    assert (found["node"], found["version"]) == ("api", api.system.version)
    assert found["engine"] == {"kind": "docker", "available": True, "version": "1.2.3"}
    assert abs(found["started_at"] - api.system.clock()) < 600
    assert found["containers"] == {
        "total": 2,
        "offline": 1,
        "starting": 0,
        "running": 1,
        "stopping": 0,
        "installing": 0,
        "ready": 2,
        "failed": 0,
        "quarantined": 0,
    }
    assert found["volumes"] == 2
    assert found["ports"] == {"total": 2, "in_use": 1, "free": 1}
    assert found["event_loop"]["passes"] > 0


async def test_host_of_the_node_is_this_machine(api):
    host = (await api.get("/node"))["host"]
    assert 0 < host["memory"]["lightd"] < host["memory"]["total"]
    assert 0 < host["memory"]["available"] <= host["memory"]["total"]
    assert len(host["load"]) == 3
    assert host["uptime"] > 0
    for disk in host["disks"].values():
        assert 0 <= disk["free"] <= disk["total"]


async def test_engine_that_is_away_has_no_version(api):
    api.engine.go_down()
    await api.wait_engine(up=False)
    assert (await api.get("/node"))["engine"] == {"kind": "docker", "available": False, "version": None}


@pytest.mark.parametrize("error", [EngineUnavailable("not now"), EngineRefused("no"), EngineFault("broken")])
async def test_engine_that_fails_at_its_version_has_none(api, error):
    api.faults.errors["version"] = error
    assert (await api.get("/node"))["engine"] == {"kind": "docker", "available": True, "version": None}


async def test_host_whose_files_can_not_be_read_is_null(api, monkeypatch):
    def read(_folders):
        raise KeyError("MemAvailable")

    monkeypatch.setattr(facts, "read", read)
    found = await api.get("/node")
    assert (found["host"], found["containers"]["total"]) == (None, 0)


async def test_version_of_an_engine_that_answers_again_is_shown_at_once(api):
    api.faults.errors["version"] = EngineUnavailable("not now")
    assert (await api.get("/node"))["engine"]["version"] is None
    api.faults.errors.clear()
    assert (await api.get("/node"))["engine"]["version"] == "1.2.3"


async def test_many_requests_for_the_node_ask_the_engine_once(api):
    for _ in range(20):
        await api.get("/node")
    assert api.engine.calls.count(Call("version")) == 1


async def test_engine_that_hangs_at_its_version_holds_up_the_node_for_a_moment_only(api, monkeypatch):
    monkeypatch.setattr(description, "PATIENCE", 0.1)
    api.faults.gates["version"] = trio.Event()
    assert (await api.get("/node"))["engine"]["version"] is None


@pytest.mark.parametrize(
    ("grant", "status"),
    [({"permissions": ["stats"]}, 200), ({"permissions": ["power"]}, 403), ({"containers": ["s1"]}, 403)],
)
async def test_node_is_for_tokens_of_the_whole_node(api, grant, status):
    minted = await api.post("/auth/tokens", {"ttl": "1h", **grant})
    headers = {"Authorization": f"Bearer {minted['token']}", "Accept": "Application/vnd.pkglatv1+json"}
    assert (await api.ask("GET", "/node", headers=headers)).status_code == status


def test_delays_over_the_limit_are_counted_as_blocked():
    delays = Delays()
    assert _to_delays(delays)["mean_ms"] == 0.0
    for seconds in (0.001, BLOCKED, BLOCKED + 0.001, 10.0):
        delays.add(seconds)
    assert _to_delays(delays) == {"passes": 4, "mean_ms": 2525.5, "longest_ms": 10_000.0, "blocked": 2}
