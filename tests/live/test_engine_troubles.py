"""An engine that answers some and not others: streams cut, calls that stall, answers that come too late."""

import json
import subprocess
import time
import uuid
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trio

from actors.container import messages
from actors.container.state import Phase
from lightd.engines.docker import client
from tests.rig import engine
from tests.simulated.world import open_daemon
from tests.support.daemon import USER, inspect, serving, settled
from tests.support.docker_scene import a_spec, opened
from tests.support.doubles.engine_proxy import open_engine_proxy
from tests.support.doubles.memory import MemoryJournal
from tests.support.page import open_shell
from tests.support.page_blocks import blocks

PROMPT = 45.0
"""Seconds that nothing takes which isn't kept waiting by a call that stalls: that takes a minute."""


@pytest.fixture
async def proxied(docker, tmp_path):
    """A daemon whose engine is behind a proxy."""
    path = tmp_path / "engine.sock"
    settings = {"socket_path": str(path), "allowed_mounts": [], "user": USER}
    async with open_engine_proxy(path, docker) as proxy, serving(tmp_path, docker=settings) as daemon:
        yield daemon, proxy


async def reach(condition):
    with trio.fail_after(PROMPT):
        while not condition():
            await trio.sleep(0.02)


async def types(daemon, internal_id="s1"):
    return [event["type"] for event in (await daemon.get(f"/containers/{internal_id}/events"))["events"]]


# What Docker fails at

PAGE = "docs/operations.md"
BUSY = "container abc: driver failed to remove root filesystem: unlinkat /var/lib/x: device or resource busy"
SHOWN = "driver failed to remove root filesystem"


@pytest.mark.parametrize(
    ("status", "message", "shown"),
    [
        (500, BUSY, SHOWN),
        (409, "removal of container abc is already in progress", "has not finished removing the container"),
    ],
)
async def test_removal_that_docker_fails_at_is_retried_and_its_reason_shown(
    proxied, tmp_path, status, message, shown
):
    daemon, proxy = proxied
    await daemon.create("s1")
    await daemon.create("s2")
    stuck = (await daemon.show("s1"))["container_id"]
    with proxy.failing(f"DELETE .*containers/{stuck}", status, message):
        answer = await daemon.call("DELETE", "/containers/s1", wait=0)
        with trio.fail_after(PROMPT):
            while shown not in ((await daemon.show("s1"))["error"] or ""):
                await trio.sleep(0.05)
        operation = await daemon.get(f"/operations/{answer['operation_id']}")
        assert operation["status"] == "pending"
        (look,) = blocks(PAGE, "Docker cannot remove a container")
        async with open_shell(PAGE, daemon, "s1", tmp_path / "bin") as shell:
            assert shown in (await shell.run(look)).splitlines()[0]
        assert shown in operation["error"]
        await reach(lambda: shown in daemon.log.read_text())
        assert "/var/lib" not in json.dumps(await daemon.show("s1"))
        tried = len([request for request in proxy.requests if stuck in request])
        assert (await daemon.power("start", "s2"))["status"] == "succeeded"  # nobody else is concerned
    with trio.fail_after(PROMPT):
        while (await daemon.get(f"/operations/{answer['operation_id']}"))["status"] != "succeeded":
            await trio.sleep(0.05)
    assert len([request for request in proxy.requests if stuck in request]) > tried
    assert "lightd-s1" not in daemon.in_docker()
    assert (await daemon.get(f"/operations/{answer['operation_id']}"))["error"] is None


async def test_leftover_that_docker_cannot_remove_is_no_outage_of_the_engine(proxied):
    daemon, proxy = proxied
    await daemon.create("s1")
    await daemon.create("gone")
    left = inspect("gone")["Config"]["Labels"]
    await daemon.call("DELETE", "/containers/gone", wait=60)
    made = await trio.to_thread.run_sync(make_leftover, left)
    with proxy.failing(f"DELETE .*containers/{made}", 500, BUSY):
        daemon.kill()
        await daemon.start()
        await daemon.engine_up()
        assert (await daemon.power("start", "s1"))["status"] == "succeeded"
        await reach(lambda: "an orphan of gone could not be removed" in daemon.log.read_text())


def make_leftover(labels):
    command = ["docker", "create", "--name", "lightd-gone"]
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    made = subprocess.run([*command, engine.IMAGE, "true"], capture_output=True, text=True, check=True)
    return made.stdout.strip()


# Streams that are cut


async def test_stream_of_events_that_is_cut_is_opened_again_and_nobody_is_refused(proxied):
    daemon, proxy = proxied
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    for _ in range(3):
        assert proxy.cut("GET .*/events") == 1
        assert (await daemon.power("start"))["status"] == "succeeded"
        await reach(lambda: proxy.cut("GET .*/events"))
    assert (await types(daemon)).count("exited") == 0
    engine.call("DELETE", "/containers/lightd-s1", force=1)
    await settled(daemon, state="offline")


async def test_exit_while_every_stream_is_cut_is_found_with_its_code(proxied):
    daemon, proxy = proxied
    for internal_id in ("s1", "s2"):
        await daemon.create(internal_id, start_pattern="Ready")
        await daemon.power("start", internal_id)
    with proxy.holding("GET .*/events") as events, proxy.holding("POST .*/attach"):
        assert proxy.cut("GET .*/events") == 1
        await events.arrived.wait()
        engine.call("POST", "/containers/lightd-s1/kill", signal="KILL")
        await reach(lambda: not inspect("s1")["State"]["Running"])
        proxy.cut("POST .*/attach")
    shown = await settled(daemon, state="offline")
    assert shown["exit"]["code"] == 137
    assert (await daemon.show("s2"))["state"] == "running"
    async with daemon.console("s2") as console, trio.open_nursery() as nursery:
        nursery.start_soon(say_again, console)
        await console.until("console", "got: again")
        nursery.cancel_scope.cancel()
    assert (await types(daemon)).count("exited") == 1
    assert (await types(daemon, "s2")).count("exited") == 0


async def say_again(console):
    while True:
        await console.send("send_command", command="again")
        await trio.sleep(0.5)


# A call that stalls


async def test_call_that_stalls_on_one_container_delays_no_other_and_nothing_that_needs_no_engine(proxied):
    daemon, proxy = proxied
    for internal_id in ("s1", "s2", "s3"):
        await daemon.create(internal_id, start_pattern="Ready")
    await daemon.power("start", "s2")
    stalled = (await daemon.show("s1"))["container_id"]
    with proxy.holding(f"containers/({stalled}|lightd-s1)") as held:
        assert (await daemon.power("start", "s1", wait=0))["status"] == "pending"
        await held.arrived.wait()
        await check_others(daemon, "s4")
        assert (await daemon.show("s1"))["state"] == "starting"
        daemon.kill()
        await daemon.start()  # and now its state is asked for
        with trio.fail_after(PROMPT):
            await daemon.engine_up()
        await check_others(daemon, "s5")
        assert (await daemon.show("s1"))["state"] == "starting"
    await settled(daemon, "s1", state="running")
    assert (await types(daemon, "s1")).count("started") == 1


async def test_running_server_whose_engine_calls_stall_keeps_no_daemon_from_starting(proxied):
    daemon, proxy = proxied
    for internal_id in ("s1", "s2", "s3"):
        await daemon.create(internal_id, start_pattern="Ready")
    for internal_id in ("s1", "s2"):
        await daemon.power("start", internal_id)
    stalled = (await daemon.show("s1"))["container_id"]
    with proxy.holding(f"containers/({stalled}|lightd-s1)"):
        daemon.kill()
        await daemon.start()
        with trio.fail_after(PROMPT):
            await daemon.engine_up()
            await check_others(daemon, "s4")
        assert (await daemon.show("s1"))["state"] == "running"
        engine.call("POST", "/containers/lightd-s1/kill", signal="KILL")
    shown = await settled(daemon, "s1", state="offline")
    assert shown["exit"]["code"] == 137


async def test_call_that_stalls_keeps_no_daemon_from_ending_and_the_next_one_goes_on(proxied):
    daemon, proxy = proxied
    await daemon.create(start_pattern="Ready")
    with proxy.holding("POST .*/start") as held:
        await daemon.power("start", wait=0)
        await held.arrived.wait()
        daemon.process.terminate()
        await reach(lambda: daemon.process.poll() is not None)
        assert daemon.process.returncode == 0
    await daemon.start()
    await settled(daemon, state="running")
    assert (await types(daemon)).count("started") == 1


async def check_others(daemon, new):
    """Everything goes on for whoever is not concerned."""
    with trio.fail_after(PROMPT):
        for path in ("/containers", "/containers/s1", "/containers/s1/events", "/volumes", "/network/ports"):
            await daemon.get(path)
        async with daemon.console("s2") as console:
            await console.until("stats")
            for action in ("restart", "stop", "start", "kill", "start"):
                assert (await daemon.power(action, "s2"))["status"] == "succeeded"
            frame = await console.until("stats")
            while frame["uptime"] == 0:
                frame = await console.until("stats")
        await daemon.create(new, install_script="echo installing")
        assert (await daemon.power("start", new))["status"] == "succeeded"
        await daemon.call("DELETE", f"/containers/{new}")


# Answers that come after the deadline


@asynccontextmanager
async def open_hasty(docker, tmp_path, monkeypatch):
    """A fleet that waits two seconds for an answer of its engine, which is behind a proxy."""
    monkeypatch.setattr(client, "DEADLINES", aiohttp.ClientTimeout(total=2))
    node = f"live-{uuid.uuid4()}"
    volume = tmp_path / "volumes" / str(uuid.uuid4())
    volume.mkdir(parents=True)
    path = tmp_path / "engine.sock"
    try:
        async with (
            open_engine_proxy(path, docker) as proxy,
            opened(path, node, tmp_path) as docker_engine,
            open_daemon(MemoryJournal(time.time), docker_engine) as world,
        ):
            await world.wait_engine()
            yield world, proxy, a_spec(volume, start_pattern="Ready")
    finally:
        engine.remove_labelled(node)


@pytest.mark.parametrize("answer", [False, True], ids=["done-late", "told-late"])
@pytest.mark.parametrize("call", ["create", "start"])
async def test_call_that_happens_after_its_deadline_happens_once(docker, tmp_path, monkeypatch, call, answer):
    async with open_hasty(docker, tmp_path, monkeypatch) as (world, proxy, spec):
        name = spec.internal_id
        with proxy.holding(f"POST .*containers/.*{call}", answer=answer) as held:
            await world.create(spec)
            if call == "start":
                await world.wait(Phase.OFFLINE, name)
                await world.tell(messages.Start(), name)
            if (call, answer) == ("start", True):
                await world.wait(Phase.RUNNING, name)  # seen, though never told
            else:
                await reach(lambda: held.caught == 2)
        if call == "create":
            await world.wait(Phase.OFFLINE, name)
            await world.tell(messages.Start(), name)
        await world.wait(Phase.RUNNING, name)
        (row,) = await world.engine.list()
        assert (row.engine_id, row.running) == (world.state(name).engine_id, True)
        assert world.names(name).count("Installed") == world.names(name).count("Started") == 1
        assert world.state(name).started_at == (await world.engine.inspect(row.engine_id)).started_at


async def test_creation_that_comes_after_the_deletion_leaves_nothing_behind(docker, tmp_path, monkeypatch):
    async with open_hasty(docker, tmp_path, monkeypatch) as (world, proxy, spec):
        with proxy.holding("POST .*containers/create") as held:
            await world.create(spec)
            await held.arrived.wait()
            await world.tell(messages.Delete(), spec.internal_id)
            await world.wait_gone(spec.internal_id)
        await reach(lambda: held.done == held.caught)
        await world.fleet.reconcile()
        assert await world.engine.list() == []


async def test_process_that_starts_after_it_was_killed_is_found_running(docker, tmp_path, monkeypatch):
    async with open_hasty(docker, tmp_path, monkeypatch) as (world, proxy, spec):
        name = spec.internal_id
        await world.create(spec)
        await world.wait(Phase.OFFLINE, name)
        with proxy.holding("POST .*containers/.*/start") as held:
            await world.tell(messages.Start(), name)
            await held.arrived.wait()
            await world.tell(messages.Kill(), name)
            await world.wait(Phase.OFFLINE, name)
        await world.wait(Phase.RUNNING, name)
        await world.tell(messages.Kill(), name)
        await world.wait(Phase.OFFLINE, name)
        (row,) = await world.engine.list()
        assert not row.running
