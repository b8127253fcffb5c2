"""An installation that commit b46365d made: configuration, journal, volume, and a server that runs.

``fixtures/b46365d`` holds its files, its journal as SQL, and what it asked Docker to make. The container is
made of that here, and takes the place of the one in the journal.
"""

import json
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
import trio

from lightd.engines.docker import translate
from tests.rig import engine
from tests.support.daemon import PATIENCE, Daemon, free_port, inspect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="its server runs as 988, which only root can have")

FILES = Path(__file__).parent / "fixtures" / "b46365d"
ID = "old-server"
VOLUME = "e8a00fa7-6c0a-4056-82c2-c6892af51eeb"
ENGINE_ID = "075be3cab934aa6f4faec893ad9282dca32fb5c3fabbb5673bf07e2d03f0df48"
STARTED_AT, PORT = "1796055833.778142", "28765"


def create(body):
    """Make a container of a body of JSON, under the server's name; return its id."""
    made = engine._Connection(engine.socket_path(), 60)
    made.request("POST", f"/containers/create?name=lightd-{ID}", body, {"Content-Type": "application/json"})
    answer = json.loads(made.getresponse().read())
    made.close()
    return answer["Id"]


@pytest.fixture
async def upgraded(docker, tmp_path):
    """The installation under a new daemon, its server having been running throughout."""
    daemon, port = Daemon(tmp_path), str(free_port())
    replaced = {"/tmp/oldinst": str(tmp_path), "old-node": daemon.node, PORT: port}
    replaced["/var/run/docker.sock"] = engine.socket_path()

    def here(text, **more):
        for old, new in (replaced | more).items():
            text = text.replace(old, new)
        return text

    daemon.config.write_text(here((FILES / "config.json").read_text()))
    shutil.copytree(FILES / "storage", tmp_path / "storage")
    (tmp_path / "shared" / "maps").mkdir(parents=True)
    for path in (tmp_path / "storage/volumes" / VOLUME, *(tmp_path / "storage/volumes" / VOLUME).rglob("*")):
        os.chown(path, 988, 988)
    (tmp_path / "storage/volumes").chmod(0o711)
    engine_id = create(here((FILES / "create.json").read_text()))
    try:
        engine.call("POST", f"/containers/{engine_id}/start")
        started_at = translate.to_seconds(inspect(ID)["State"]["StartedAt"])
        write_journal(
            tmp_path / "storage/lightd.db",
            lambda text: here(text, **{ENGINE_ID: engine_id, STARTED_AT: repr(started_at)}),
        )
        await daemon.start()
        await daemon.engine_up()
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)


def write_journal(path, here):
    with sqlite3.connect(path) as database:
        database.executescript((FILES / "journal.sql").read_text())
        rows = database.execute("SELECT position, data FROM records").fetchall()
        for position, data in rows:
            new = here(data.decode()).encode()
            database.execute("UPDATE records SET data = ? WHERE position = ?", (new, position))
    database.close()
    path.chmod(0o600)


async def test_server_of_an_earlier_version_runs_on_and_can_be_started_again(upgraded):
    shown = await upgraded.show(ID)
    assert (shown["state"], shown["user"], shown["read_only"]) == ("running", "988:988", None)
    assert shown["mount"] == {"/maps": f"{upgraded.folder}/shared/maps"}
    before = inspect(ID)["State"]["Pid"]
    async with upgraded.console(ID) as console:
        await console.send("send_command", command="hello")
        await console.until("console", "hello")
    assert stat.S_IMODE((upgraded.folder / "storage/volumes").stat().st_mode) == 0o700
    assert inspect(ID)["State"]["Pid"] == before
    made = inspect(ID)["Id"]
    answer = await upgraded.power("restart", ID)
    assert answer["status"] == "succeeded", answer.get("error")
    assert inspect(ID)["Id"] == made  # it is what it was, its root file system writable
    assert inspect(ID)["HostConfig"]["ReadonlyRootfs"] is False


async def test_volume_ports_and_history_of_an_earlier_version_are_there(upgraded):
    volume = await upgraded.get(f"/volumes/{VOLUME}")
    assert volume["quota_mb"] == 64
    names = {file["name"] for file in (await upgraded.get(f"/volumes/{VOLUME}/files"))["files"]}
    assert {"world", "installed"} <= names
    [port] = (await upgraded.get("/network/ports"))["ports"]
    assert (port["in_use"], port["used_by"]) == (True, ID)
    events = [
        event["type"] for event in (await upgraded.get(f"/containers/{ID}/events", limit=100))["events"]
    ]
    assert "created" in events
    assert len((await upgraded.get("/auth/tokens"))["tokens"]) <= 1  # it lived an hour


async def test_server_of_an_earlier_version_is_bounded_once_it_is_rebuilt(upgraded):
    answer = await upgraded.post(f"/containers/{ID}/rebind-network", {"ports": []}, wait=60)
    assert answer["status"] == "succeeded", answer.get("error")
    with trio.fail_after(PATIENCE):
        while (await upgraded.show(ID))["state"] != "running":
            await trio.sleep(0.05)
    assert inspect(ID)["HostConfig"]["ReadonlyRootfs"] is True
    assert inspect(ID)["Config"]["User"] == "988:988"
    assert (upgraded.folder / "storage/volumes" / VOLUME / "world/level.dat").read_text() == "a world"
