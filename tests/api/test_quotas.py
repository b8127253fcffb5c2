"""The routes of quotas, and the watch, where lightd itself accounts: no kernel's help is needed for it."""

import json
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.container.state import Phase
from lightd.files.quota import quotas, surveyor
from lightd.files.quota.kind import MEGABYTE
from tests.api.front import ACCOUNTED, NO_VOLUME, on_disk, open_api

pytestmark = pytest.mark.one_python


@pytest.fixture
def watchful(monkeypatch):
    """Volumes are looked at again and again."""
    monkeypatch.setattr(quotas, "SHORTEST", 0.01)
    monkeypatch.setattr(quotas, "PART", 1.0)
    monkeypatch.setattr("lightd.files.quota.watch.TICK", 0.02)
    monkeypatch.setattr("lightd.files.quota.watch.QUICK", 0.02)


async def a_volume(api, size=4):
    return await api.post("/volumes", {"size": size}, status=201)


def allocate(volume, megabytes):
    with on_disk(volume, "allocated").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, megabytes * MEGABYTE)


def put(volume, megabytes, name="file"):
    with on_disk(volume, name).open("ab") as file:
        file.write(os.urandom(int(megabytes * MEGABYTE)))


async def grow(api, volume, megabytes, name="file"):
    """The server writes, and the watch has come by."""
    put(volume, megabytes, name)
    await api.system.quotas.look(volume["id"])


async def test_volume_has_the_size_that_was_asked_for(accounted):
    volume = await a_volume(accounted, 64)
    assert (volume["quota_mb"], volume["quota_kind"]) == (64, "accounted")
    assert await accounted.get(f"/volumes/{volume['id']}") == volume
    await grow(accounted, volume, 16)
    assert await accounted.get(f"/volumes/{volume['id']}/quota") == {
        "size_mb": 64,
        "used_mb": 16.0,
        "available_mb": 48.0,
        "percentage_used": 25.0,
        "kind": "accounted",
        "entries_used": 1,
        "entries_limit": 20_000,
    }


async def test_volume_without_a_size_has_no_ceiling(accounted):
    volume = await accounted.post("/volumes", status=201)
    await grow(accounted, volume, 2)
    assert await accounted.get(f"/volumes/{volume['id']}/quota") == {
        "size_mb": None,
        "used_mb": 2.0,
        "available_mb": None,
        "percentage_used": None,
        "kind": "accounted",
        "entries_used": 1,
        "entries_limit": 2_000_000,
    }
    resized = await accounted.post(f"/volumes/{volume['id']}/resize", {"size": 4})
    assert (resized["size_mb"], resized["percentage_used"]) == (4, 50.0)


async def test_size_grows_and_shrinks_and_is_kept(tmp_path):
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        volume = await a_volume(api, 8)
        path = f"/volumes/{volume['id']}"
        await grow(api, volume, 3)
        for size in (64, 3, 3):
            assert (await api.post(f"{path}/resize", {"size": size}))["size_mb"] == size
            assert (await api.get(path))["quota_mb"] == size
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        quota = await api.get(f"{path}/quota")
        assert (quota["size_mb"], quota["available_mb"], quota["percentage_used"]) == (3, 0.0, 100.0)


async def test_size_below_what_is_used_is_a_409_and_touches_nothing(accounted):
    volume = await a_volume(accounted, 8)
    path = f"/volumes/{volume['id']}"
    put(volume, 3)
    assert await accounted.refused("POST", f"{path}/resize", {"size": 2}) == (
        409,
        "quota_below_usage",
        "The volume contains 3.0 MB, which is more than 2 MB",
    )
    assert (await accounted.get(path))["quota_mb"] == 8
    assert on_disk(volume, "file").stat().st_size == 3 * MEGABYTE


async def test_size_that_cannot_be_is_refused(accounted):
    volume = await a_volume(accounted)
    for size in (0, -1, 2**40 + 1, 1.5, True, "8", None, [8]):
        for method in (f"/volumes/{volume['id']}/resize", "/volumes"):
            if size is None and method == "/volumes":
                continue
            number = "" if size in (0, -1, 2**40 + 1) else "a whole number "
            got = "a list" if size == [8] else json.dumps(size)
            said = f"size: must be {number}between 1 and {2**40} (got {got})"
            assert await accounted.refused("POST", method, {"size": size}) == (400, "invalid_request", said)
    path = f"/volumes/{volume['id']}/resize"
    assert await accounted.refused("POST", path, {}) == (400, "invalid_request", "size: is missing")
    said = "mb: unknown field (known here: size)"
    assert (await accounted.refused("POST", path, {"size": 8, "mb": 1}))[2] == said
    assert (await a_volume(accounted, 2**40))["quota_mb"] == 2**40


async def test_quota_of_a_volume_that_is_not_there_is_a_404(accounted):
    gone = (404, "volume_not_found", "no such volume")
    assert await accounted.refused("GET", f"/volumes/{NO_VOLUME}/quota") == gone
    assert await accounted.refused("POST", f"/volumes/{NO_VOLUME}/resize", {"size": 1}) == gone
    assert (await accounted.refused("GET", "/volumes/x/quota"))[:2] == (400, "invalid_id")
    volume = await a_volume(accounted)
    account = accounted.system.quotas.account(volume["id"])
    while account.due is None or account.wanted:
        await trio.sleep(0.001)  # the watch comes by
    on_disk(volume).rmdir()
    account.due = None  # that was long ago
    for method, route, body in [("GET", "quota", None), ("POST", "resize", {"size": 2})]:
        refused = await accounted.refused(method, f"/volumes/{volume['id']}/{route}", body)
        assert refused == (
            404,
            "file_not_found",
            "The volume's folder is missing: mount its disk, or restore the folder",
        )


async def test_size_that_could_not_be_recorded_is_not_there(accounted):
    volume = await a_volume(accounted, 8)
    accounted.journal.fault = "the disk is full"
    refused = await accounted.refused("POST", f"/volumes/{volume['id']}/resize", {"size": 16})
    assert refused[:2] == (507, "journal_unavailable")
    accounted.journal.fault = None
    assert (await accounted.get(f"/volumes/{volume['id']}"))["quota_mb"] == 8


async def test_write_into_a_full_volume_is_a_507_and_what_is_in_it_stays(accounted):
    volume = await a_volume(accounted, 1)
    path = f"/volumes/{volume['id']}"
    text = "x" * 700_000
    await accounted.post(f"{path}/files", {"path": "a", "content": text})
    refused = await accounted.refused("POST", f"{path}/files", {"path": "b", "content": text})
    assert refused == (
        507,
        "no_space",
        "The volume is full: 0.67 of 1 MB are used; delete files, or enlarge it",
    )
    assert [path.name for path in on_disk(volume).iterdir()] == ["a"]
    await grow(accounted, volume, 1, "b")
    assert (await accounted.refused("POST", f"{path}/folders", {"path": "c"}))[:2] == (507, "no_space")
    on_disk(volume, "b").unlink()
    await accounted.post(f"{path}/folders", {"path": "c"})


async def test_file_may_be_overwritten_as_often_as_one_likes(accounted):
    volume = await a_volume(accounted, 2)
    for number in range(6):
        body = {"path": "a", "content": str(number) * 700_000}
        await accounted.post(f"/volumes/{volume['id']}/files", body)


async def test_viewer_is_told_that_a_write_exceeded_the_quota(accounted):
    volume = await a_volume(accounted, 1)
    await accounted.create(volume_id=volume["id"])
    await accounted.create("other")
    async with accounted.console() as console, accounted.console("other") as other:
        body = {"path": "a", "content": "x" * 1_100_000}
        refused = await accounted.refused("POST", f"/volumes/{volume['id']}/files", body)
        assert refused[:2] == (507, "no_space")
        told = await console.until("daemon_message", "Error: ")
        assert told["data"] == "Error: the volume is full: a file could not be written"
        await accounted.power("start", "other")
        await other.until("event", "running")
        assert not any("full" in str(frame.get("data")) for frame in other.frames)


async def test_runaway_is_told_then_stopped(accounted, watchful):
    volume = await a_volume(accounted, 4)
    await accounted.running(volume_id=volume["id"])
    async with accounted.console() as console:
        put(volume, 4.5)
        told = await console.until("daemon_message", "Error: the volume is full")
        assert told["data"] == "Error: the volume is full: 4.5 of 4 MB are used"
        put(volume, 0.5)
        await trio.sleep(0.1)  # looks come by and find nothing to do
        assert (await accounted.show())["state"] == "running"
        put(volume, 1)
        told = await console.until("daemon_message", "the server is stopped")
        assert told["data"] == "Error: the volume is full: 6.0 of 4 MB are used; the server is stopped"
        await console.until("event", "exit")
    assert (await accounted.show())["state"] == "offline"


async def test_server_far_over_its_size_is_killed_although_it_is_stopping(accounted, watchful):
    volume = await a_volume(accounted, 1)
    await accounted.running(volume_id=volume["id"], command="ignore-sigterm", stop={"timeout": 3000})
    async with accounted.console() as console:
        await accounted.power("stop", wait=0)
        allocate(volume, 300)
        await console.until("daemon_message", "the server is killed")
        await console.until("event", "exit")
    assert (await accounted.show())["exit"]["code"] == 137


async def test_volume_that_nobody_can_measure_has_its_server_stopped(accounted, watchful, monkeypatch):
    volume = await a_volume(accounted, 4)
    await accounted.running(volume_id=volume["id"])

    def moving(*_):
        raise quotas.errors.NotAllowed("it keeps changing")

    monkeypatch.setattr("lightd.files.quota.surveyor.survey", moving)
    with trio.fail_after(60):
        await accounted.system.fleet.get("s1").wait_until(lambda view: view.state.phase is Phase.OFFLINE)
    refused = await accounted.refused("GET", f"/volumes/{volume['id']}/quota")
    assert refused[:2] == (409, "file_not_allowed")


async def test_volume_that_vanishes_while_it_is_watched_is_no_crash(accounted, watchful):
    volume = await a_volume(accounted, 4)
    await accounted.running(volume_id=volume["id"])
    on_disk(volume).rmdir()
    await trio.sleep(0.1)
    assert (await accounted.show())["state"] == "running"


async def test_folders_of_volumes_that_never_came_to_be_are_gone_after_a_start(tmp_path):
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        volume = await a_volume(api)
    root = tmp_path / "storage/volumes"
    for name in (NO_VOLUME, "lost+found", NO_VOLUME.replace("0", "1")):
        (root / name).mkdir()
    (root / NO_VOLUME.replace("0", "1") / "data").write_text("of a journal that was lost")
    trial = root / ".lightd-trial-0123456789abcdef"
    trial.mkdir()
    (trial / "file").write_text("of a daemon that was killed")
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        assert (await api.get("/volumes"))["volumes"] == [volume]
    left = {path.name for path in root.iterdir()}
    assert left == {volume["id"], "lost+found", NO_VOLUME.replace("0", "1")}


async def test_volume_whose_folder_is_missing_at_the_start_is_no_hindrance(tmp_path):
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        volume = await a_volume(api)
        on_disk(volume).rmdir()
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        assert (await api.get("/volumes"))["volumes"] == [volume]
        assert not on_disk(volume).exists()


async def test_no_volume_is_made_beside_a_pool_that_can_not_be_mounted(tmp_path):
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage/volumes.img").write_text("no filesystem")
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        status, code, said = await api.refused("POST", "/volumes")
        assert (status, code) == (409, "volume_not_mounted")
        assert said.startswith("the pool of the volumes is not mounted: ")
        assert str(tmp_path) not in said
    assert list((tmp_path / "storage/volumes").iterdir()) == []


async def test_server_that_makes_too_many_names_is_told_then_stopped(accounted, watchful, monkeypatch):
    monkeypatch.setattr("lightd.files.quota.limits.FEWEST", 1000)
    monkeypatch.setattr("lightd.files.quota.limits.BYTES_AN_ENTRY", MEGABYTE)
    monkeypatch.setattr("lightd.files.quota.overrun.STRIDE", 100)
    volume = await a_volume(accounted, 4)
    await accounted.running(volume_id=volume["id"])

    def make(first, last):
        for number in range(first, last):
            on_disk(volume, str(number)).touch()

    async with accounted.console() as console:
        make(0, 1050)
        told = await console.until("daemon_message", "Error: the volume is full")
        assert "of 1000 entries (files, folders and links) are used" in told["data"]
        make(1050, 1300)
        await console.until("daemon_message", "the server is stopped")
        await console.until("event", "exit")
    assert (await accounted.show())["state"] == "offline"


async def test_names_are_bounded_in_a_volume_without_a_size_too(accounted, watchful, monkeypatch):
    monkeypatch.setattr("lightd.files.quota.limits.UNSIZED", 100)
    monkeypatch.setattr("lightd.files.quota.limits.FEWEST", 100)
    monkeypatch.setattr("lightd.files.quota.quotas.UNHURRIED", 0.01)
    volume = await accounted.post("/volumes", status=201)
    await accounted.running(volume_id=volume["id"])
    async with accounted.console() as console:
        for number in range(500):
            on_disk(volume, str(number)).touch()
        await console.until("daemon_message", "the server is killed")
        await console.until("event", "exit")


async def test_watch_looks_again_at_once_when_the_disk_loses_what_a_volume_had_left(accounted, monkeypatch):
    monkeypatch.setattr(quotas, "SHORTEST", 1e6)  # only that the disk fills lets it look
    monkeypatch.setattr(quotas, "LONGEST", 1e6)
    free = 1000 * MEGABYTE

    async def told(_self):
        return free

    monkeypatch.setattr(quotas.Quotas, "free", told)
    volume = await a_volume(accounted, 4)
    await accounted.running(volume_id=volume["id"])
    account = accounted.system.quotas.account(volume["id"])
    with trio.fail_after(20):
        while account.due is None or account.wanted:
            await trio.sleep(0.001)
    looks = account.begun
    free -= MEGABYTE
    await trio.sleep(1)  # the volume has four times as much left
    assert account.begun == looks
    put(volume, 4.5)
    free -= MEGABYTE
    async with accounted.console() as console:
        await console.until("daemon_message", "Error: the volume is full")


async def test_first_write_waits_for_no_walk_of_another_volume(accounted, monkeypatch):
    """Four volumes are walked without an end; a fifth is written to."""

    def endless(_jail, _most):
        while True:
            yield

    volumes = [await a_volume(accounted, 4) for _ in range(5)]
    real = surveyor.survey
    blocked = {volume["path"] for volume in volumes[:4]}

    def survey(jail, most):
        here = str(Path(f"/proc/self/fd/{jail.root}").readlink())
        return endless(jail, most) if here in blocked else real(jail, most)

    monkeypatch.setattr(surveyor, "survey", survey)
    async with trio.open_nursery() as nursery:
        for volume in volumes[:4]:
            nursery.start_soon(accounted.system.quotas.look, volume["id"])
        await trio.sleep(0.1)
        with trio.fail_after(20):
            for number in range(10):
                body = {"path": f"f{number}", "content": "x"}
                await accounted.post(f"/volumes/{volumes[4]['id']}/files", body)
        nursery.cancel_scope.cancel()


async def test_simultaneous_usage_requests_for_a_volume_share_a_walk(accounted, monkeypatch):
    volume = await a_volume(accounted, 4)
    walks, go = [], trio.Event()
    real = surveyor.walk_through

    async def walk_through(*arguments):
        walks.append(1)
        await go.wait()
        return await real(*arguments)

    monkeypatch.setattr(quotas, "walk_through", walk_through)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(accounted.system.quotas.survey, volume["id"])
        await trio.testing.wait_all_tasks_blocked()
        go.set()
    assert len(walks) <= 3  # the one under way, which may be the watch's, and the one for all who came since
