"""A lost journal next to its containers and volumes: they are listed, and adopted as they are."""

import json
import sys
import uuid

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import TOKEN, Daemon, free_port, inspect, settled

RUNS, RESTS, ID = (f"adopt-{uuid.uuid4().hex[:8]}" for _ in range(3))


async def orphans(daemon, *arguments, fails=False):
    """What ``lightd orphans`` prints, and its errors."""
    token = daemon.folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    command = [sys.executable, "-m", "lightd", "orphans", "--config", str(daemon.config), "--url", daemon.url]
    command += ["--token-file", str(token), *arguments]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert (done.returncode != 0) is fails, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


async def found(daemon):
    rows = map(json.loads, (await orphans(daemon, "--json"))[0].splitlines())
    return {row["name"]: row for row in rows if row["node"] in (daemon.node, "")}


async def lose_journal(daemon):
    """The daemon is killed, and starts without its journal."""
    await inventoried(daemon)
    daemon.kill()
    for file in (daemon.folder / "storage").glob("lightd.db*"):
        file.unlink()
    await daemon.start()
    await daemon.engine_up()


async def inventoried(daemon):
    """Wait until every container and volume of the API is in the inventory."""
    containers = (await daemon.get("/containers"))["containers"]
    ids = [(await daemon.show(each["internal_id"]))["container_id"] for each in containers]
    names = {f"container-{each}" for each in ids}
    names |= {f"volume-{each['volume_id']}" for each in (await daemon.get("/volumes"))["volumes"]}
    with trio.fail_after(30):
        while not names <= {path.name for path in (daemon.folder / "storage/inventory").iterdir()}:
            await trio.sleep(0.05)


async def types(daemon, internal_id):
    return [event["type"] for event in (await daemon.get(f"/containers/{internal_id}/events"))["events"]]


async def test_running_and_stopped_container_of_a_lost_journal_are_adopted_as_they_are(daemon):
    port = free_port()
    await daemon.post("/network/ports", {"ip": "127.0.0.1", "port": port})
    await daemon.create(
        RUNS,
        start_pattern="Ready",
        ports=[{"ip": "127.0.0.1", "port": port}],
        environment={"MODE": "easy"},
        stop={"type": "command", "value": "stop", "timeout": 30},
    )
    await daemon.power("start", RUNS)
    await daemon.call("PATCH", f"/containers/{RUNS}", {"restart_policy": {"mode": "on-crash"}})
    await daemon.create(RESTS, start_pattern="Ready")
    await daemon.power("start", RESTS)
    await daemon.power("kill", RESTS)
    before = {name: await daemon.show(name) for name in (RUNS, RESTS)}
    process = inspect(RUNS)["State"]
    await lose_journal(daemon)
    assert (await daemon.get("/containers"))["containers"] == []
    listed = await found(daemon)
    volumes = {each["volume_id"] for each in before.values()}
    assert listed.keys() == {f"lightd-{RUNS}", f"lightd-{RESTS}", *volumes}

    said, _ = await orphans(daemon, "--adopt", f"lightd-{RUNS}", f"lightd-{RESTS}")
    assert said == f"lightd-{RUNS}: adopted\nlightd-{RESTS}: adopted\n"
    assert await found(daemon) == {}
    assert inspect(RUNS)["State"] == process
    runs = await settled(daemon, RUNS, state="running")
    changed = {"exit", "created_at", "updated_at", "version", "started_at"}
    for name, shown in before.items():
        now = await daemon.show(name)
        same = shown.keys() - changed
        assert {key: now[key] for key in same} == {key: shown[key] for key in same}
    assert runs["started_at"] == before[RUNS]["started_at"]
    assert (await types(daemon, RUNS))[:2] == ["adopted", "found-running"]
    assert await types(daemon, RESTS) == ["adopted"]
    ports = (await daemon.get("/network/ports"))["ports"]
    assert [(each["port"], each["used_by"]) for each in ports] == [(port, RUNS)]
    audit = (await daemon.get("/audit"))["entries"]
    assert {entry["route"] for entry in audit} >= {"/orphans/containers/adopt"}

    async with daemon.console(RUNS) as console:
        await console.send("send_command", command="again")
        await console.until("console", "got: again")
    assert "Ready" in json.dumps(await daemon.get(f"/containers/{RUNS}/logs"))
    assert (await daemon.power("stop", RUNS))["status"] == "succeeded"
    assert (await daemon.show(RUNS))["exit"]["code"] == 0
    for name in (RUNS, RESTS):
        assert (await daemon.power("start", name))["status"] == "succeeded"
    await daemon.post(f"/volumes/{before[RESTS]['volume_id']}/files", {"path": "a.txt", "content": "hi"})

    daemon.kill()  # what was adopted is in the journal
    await daemon.start()
    await daemon.engine_up()
    for name in (RUNS, RESTS):
        await settled(daemon, name, state="running")
    await lose_journal(daemon)  # and can be lost again
    await orphans(daemon, "--adopt", f"lightd-{RUNS}")
    await settled(daemon, RUNS, state="running")
    await daemon.call("DELETE", f"/containers/{RUNS}", wait=60)
    assert f"lightd-{RUNS}" not in daemon.in_docker()


async def test_adoption_changes_nothing_twice_or_where_a_port_or_an_id_is_in_use(daemon):
    port = free_port()
    address = {"ip": "127.0.0.1", "port": port}
    await daemon.post("/network/ports", address)
    await daemon.create(ID, ports=[address])
    await lose_journal(daemon)
    await daemon.post("/network/ports", address)
    await daemon.create("other", ports=[address])
    _, error = await orphans(daemon, "--adopt", f"lightd-{ID}", "no-such", fails=True)
    assert f"port 127.0.0.1:{port}/tcp is in use by container other" in error
    assert "no-such: no such orphan" in error
    assert {f"lightd-{ID}"} < (await found(daemon)).keys()
    await daemon.call("DELETE", "/containers/other", wait=60)
    await orphans(daemon, "--adopt", f"lightd-{ID}")
    engine_id = (await daemon.show(ID))["container_id"]
    again = await daemon.post("/orphans/containers/adopt", {"container_id": engine_id}, 409)
    assert again["code"] == "already_exists"
    assert await types(daemon, ID) == ["adopted"]


async def test_container_that_was_removed_meanwhile_is_not_adopted(daemon):
    await daemon.create(ID)
    engine_id = (await daemon.show(ID))["container_id"]
    await lose_journal(daemon)
    engine.call("DELETE", f"/containers/{engine_id}", force=1)
    refused = await daemon.post("/orphans/containers/adopt", {"container_id": engine_id}, 409)
    assert refused["code"] == "not_adoptable"
    assert (await daemon.get("/containers"))["containers"] == []


async def test_container_of_another_daemon_is_not_adopted(daemon, tmp_path):
    (tmp_path / "other").mkdir()
    other = Daemon(tmp_path / "other", node=daemon.node)
    try:
        await other.start()
        await other.engine_up()
        await other.create("theirs")
        _, error = await orphans(daemon, "--adopt", "lightd-theirs", fails=True)
        assert "another daemon made it" in error
        await lose_journal(other)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: orphans(daemon, "--adopt", "lightd-theirs", fails=True))
            nursery.start_soon(orphans, other, "--adopt", "lightd-theirs")
        assert (await daemon.get("/containers"))["containers"] == []
        assert (await other.power("start", "theirs"))["status"] == "succeeded"
    finally:
        other.kill()
        engine.remove_labelled(other.node)


@pytest.mark.parametrize("stored", [True, False])
async def test_volume_of_a_lost_journal_is_adopted_with_its_content(daemon, stored):
    """And a server can be created on it again, also if its container was removed."""
    volume = (await daemon.post("/volumes", {"size": 64}, 201))["volume_id"]
    empty = await daemon.volume()
    before = await daemon.get(f"/volumes/{volume}")
    await daemon.create(ID, volume_id=volume)
    await daemon.post(f"/volumes/{volume}/files", {"path": "world.dat", "content": "a world"})
    await lose_journal(daemon)
    if not stored:
        for path in (daemon.folder / "storage/inventory").glob("volume-*"):
            path.unlink()
    await orphans(daemon, "--remove", f"lightd-{ID}")
    _, error = await orphans(daemon, "--remove", volume, fails=True)
    assert "a volume is not removed here" in error
    assert (await found(daemon)).keys() == {volume, empty}
    await orphans(daemon, "--adopt", volume)
    after = await daemon.get(f"/volumes/{volume}")
    if stored:
        assert after == before
    assert after["quota_mb"] == (64 if stored else None)
    await daemon.create(ID, "cat world.dat; stdin-echo", volume_id=volume, start_pattern="Ready")
    await daemon.power("start", ID)
    assert "a world" in json.dumps(await daemon.get(f"/containers/{ID}/logs"))
    assert (await daemon.post("/orphans/volumes/adopt", {"volume_id": volume}, 409))[
        "code"
    ] == "already_exists"
    missing = "00000000-0000-4000-8000-000000000000"
    assert (await daemon.post("/orphans/volumes/adopt", {"volume_id": missing}, 404))[
        "code"
    ] == "file_not_found"
