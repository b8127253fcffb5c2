"""A running daemon takes on a new file: a panel that has a container for it, a folder that may be mounted."""

import json

import attrs
import pytest
import trio

from tests.rig import engine
from tests.support.daemon import PATIENCE, inspect
from tests.support.doubles.panel import Answer, PanelServer, behave, open_panel


async def reloaded(daemon, status=200, **sections):
    """The answer to a reload after these sections have come into the file."""
    daemon.config.write_text(json.dumps({**json.loads(daemon.config.read_text()), **sections}))
    return await daemon.post("/remote/config/reload", status=status)


@attrs.define
class Office:
    """A panel that has a configuration, ``wanted``, and is given the node's."""

    panel: PanelServer
    wanted: list = attrs.field(factory=list)
    given: list = attrs.field(factory=list)

    async def react(self, request):
        if request.path != "/api/config":
            return await behave(request)
        if request.method == "POST":
            self.given.append(request.body)
            return Answer()
        return Answer(200, {"containers": self.wanted, "settings": {}})


@pytest.fixture
async def office():
    async with open_panel() as panel:
        office = Office(panel)
        panel.react = office.react
        yield office


async def test_panel_that_is_enabled_while_servers_run_has_its_container_made(daemon, office):
    await daemon.create("exchange-ours")
    await daemon.power("start", "exchange-ours")
    entry = {
        "internal_id": "exchange-theirs",
        "image": engine.IMAGE,
        "volume_id": await daemon.volume(),
        "startup_command": "stdin-echo",
    }
    conflicting = {**entry, "internal_id": "exchange-ours", "startup_command": "other"}
    office.wanted += [entry, conflicting]
    answer = await reloaded(daemon, remote=office.panel.settings(sync_config=True))
    assert answer["applied"] == ["remote.enabled", "remote.url", "remote.token", "remote.sync_config"]
    with trio.fail_after(PATIENCE):
        while not office.given or len(office.given[-1]["containers"]) < 2:
            await trio.sleep(0.05)
        while "ready" not in [each.body["status"] for each in office.panel.by_server()["exchange-theirs"]]:
            await trio.sleep(0.05)
    assert inspect("exchange-theirs")["State"]["Status"] == "created"
    assert (await daemon.show("exchange-ours"))["state"] == "running"
    (conflict,) = (await daemon.get("/remote/status"))["config"]["conflicts"]
    assert conflict == {
        "internal_id": "exchange-ours",
        "reason": "it is here with something else in volume_id, startup_command",
    }
    office.wanted.clear()
    before = (await daemon.get("/remote/status"))["config"]["pulled_at"]
    await daemon.post("/remote/config/reload")
    with trio.fail_after(PATIENCE):
        while (await daemon.get("/remote/status"))["config"]["pulled_at"] == before:
            await trio.sleep(0.05)
    assert set(daemon.in_docker()) == {"lightd-exchange-ours", "lightd-exchange-theirs"}


async def test_reloaded_file_holds_at_once_and_a_bad_one_says_where_it_is_wrong(daemon, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/one").write_text("the map\n")
    body = {
        "internal_id": "reload-mount",
        "image": engine.IMAGE,
        "volume_id": await daemon.volume(),
        "startup_command": "cat /maps/one",
        "mount": {"/maps": str(tmp_path / "maps")},
    }
    await daemon.post("/containers", body, status=403)
    running = json.loads(daemon.config.read_text())["docker"]
    docker = {**running, "allowed_mounts": [str(tmp_path / "maps")]}
    answer = await reloaded(daemon, docker=docker, server={"host": "127.0.0.1", "port": 1})
    assert (answer["applied"], answer["restart_required"]) == (["docker.allowed_mounts"], ["server.port"])
    assert (await daemon.post("/containers", body, wait=60))["status"] == "succeeded"
    async with daemon.console("reload-mount") as console:
        await daemon.power("start", "reload-mount", wait=0)
        await console.until("console", "the map")
    refused = await reloaded(daemon, 400, docker={**docker, "user": "root"}, monitoring={"interval_ms": "1"})
    assert refused["code"] == "invalid_configuration"
    assert "docker.user: must be" in refused["error"]
    assert "monitoring.interval_ms: must be" in refused["error"]
    shown = await daemon.get("/remote/config")
    assert shown["docker"]["allowed_mounts"] == [str(tmp_path / "maps")]
    assert shown["authorization"]["token"].startswith("lightd_…")
