"""The routes of volumes and of the files in them."""

import os
import re
import threading

import trio
import trio.testing

from lightd.files import volumes
from tests.api.front import NO_VOLUME, on_disk, open_api

ESCAPES = (400, "invalid_path", "Invalid path: path traversal detected")


async def test_volume_is_created_listed_and_shown(api):
    assert await api.get("/volumes") == {"volumes": []}
    answer = await api.ask("POST", "/volumes")
    assert answer.status_code == 201
    volume = answer.json()
    assert volume.keys() == {"volume_id", "id", "path", "created_at", "quota_mb", "quota_kind"}
    assert volume["id"] == volume["volume_id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", volume["id"])
    assert volume["quota_mb"] is None
    assert volume["created_at"] > 0
    assert on_disk(volume).is_dir()
    assert await api.get(f"/volumes/{volume['id']}") == volume
    other = (await api.ask("POST", "/volumes", {})).json()
    assert await api.get("/volumes") == {"volumes": [volume, other]}


async def test_volume_that_cannot_be_is_refused(api):
    for body, said in [
        ({"size": "5"}, f'size: must be a whole number between 1 and {2**40} (got "5")'),
        ({"size": 0}, f"size: must be between 1 and {2**40} (got 0)"),
        ({"quota": 5}, "quota: unknown field (known here: size)"),
        ([], "the body must be a JSON object"),
    ]:
        assert await api.refused("POST", "/volumes", body) == (400, "invalid_request", said)
    assert await api.get("/volumes") == {"volumes": []}


async def test_volume_is_deleted_with_all_that_is_in_it(api, tmp_path):
    volume = await api.post("/volumes", status=201)
    kept = await api.volume()
    on_disk(volume, "d/e").mkdir(parents=True)
    on_disk(volume, "d/e/f").write_text("x")
    path = f"/volumes/{volume['id']}"
    assert await api.call("DELETE", path) == {"message": "Volume deleted successfully"}
    assert not on_disk(volume).exists()
    for method, route in [("GET", ""), ("DELETE", ""), ("GET", "/files")]:
        assert (await api.refused(method, path + route))[:2] == (404, "volume_not_found")
    with trio.fail_after(20):
        while len(list((tmp_path / "storage/volumes").iterdir())) > 1:
            await trio.sleep(0.01)
    assert [each["id"] for each in (await api.get("/volumes"))["volumes"]] == [kept]


async def test_volume_that_a_container_uses_is_not_deleted(api):
    volume = await api.volume()
    await api.create(volume_id=volume)
    in_use = (409, "volume_in_use", "a container uses this volume: delete the container first")
    assert await api.refused("DELETE", f"/volumes/{volume}") == in_use
    await api.call("DELETE", "/containers/s1")
    await api.call("DELETE", f"/volumes/{volume}")


async def test_volume_is_not_deleted_under_a_container_that_is_being_created(api):
    volume = await api.volume()
    body = await api.a_body(volume_id=volume)
    api.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.post, "/containers", body)
        await api.journal.held.wait()
        assert (await api.refused("DELETE", f"/volumes/{volume}"))[:2] == (409, "volume_in_use")
        api.journal.gate.set()


async def test_no_container_is_created_on_a_volume_that_is_being_deleted(api):
    volume = await api.volume()
    body = await api.a_body(volume_id=volume)
    api.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.call, "DELETE", f"/volumes/{volume}")
        await api.journal.held.wait()
        assert (await api.refused("POST", "/containers", body))[:2] == (404, "volume_not_found")
        assert (await api.refused("DELETE", f"/volumes/{volume}"))[:2] == (404, "volume_not_found")
        api.journal.gate.set()


async def test_deletion_that_could_not_be_recorded_changes_nothing(api):
    volume = await api.post("/volumes", status=201)
    on_disk(volume, "f").write_text("kept")
    api.journal.fault = "the disk is full"
    path = f"/volumes/{volume['id']}"
    assert (await api.refused("DELETE", path))[:2] == (507, "journal_unavailable")
    api.journal.fault = None
    assert on_disk(volume, "f").read_text() == "kept"
    assert [each["name"] for each in (await api.get(f"{path}/files"))["files"]] == ["f"]
    await api.call("DELETE", path)


async def test_deletion_ends_what_is_done_in_the_volume(api):
    volume = await api.post("/volumes", status=201)
    with on_disk(volume, "huge").open("wb") as file:
        file.truncate(1 << 40)
    body = {"format": "zip", "output_name": "a"}
    begun = await api.post(f"/volumes/{volume['id']}/compress", body, wait=0)
    await api.call("DELETE", f"/volumes/{volume['id']}")
    job = api.system.jobs.get(begun["operation_id"])
    with trio.fail_after(20):
        await job.done.wait()
    assert job.status == "cancelled"


async def test_volume_whose_folder_is_missing_says_so_and_can_be_deleted(api):
    volume = await api.post("/volumes", status=201)
    on_disk(volume).rmdir()
    path = f"/volumes/{volume['id']}"
    assert await api.refused("GET", f"{path}/files") == (
        404,
        "file_not_found",
        "The volume's folder is missing: mount its disk, or restore the folder",
    )
    await api.call("DELETE", path)


async def test_deletion_that_a_crash_cut_short_is_undone_or_finished_by_the_next_start(tmp_path):
    volumes = tmp_path / "storage/volumes"
    async with open_api(tmp_path) as api:
        unrecorded, recorded = await api.volume(), await api.volume()
        (volumes / unrecorded / "f").write_text("kept")
        await api.call("DELETE", f"/volumes/{recorded}")
    (volumes / unrecorded).rename(volumes / f".deleted-{unrecorded}")
    (volumes / f".deleted-{recorded}/d").mkdir(parents=True)
    async with open_api(tmp_path) as api:
        assert (await api.get(f"/volumes/{unrecorded}/files"))["files"][0]["name"] == "f"
        with trio.fail_after(20):
            while [path.name for path in volumes.iterdir()] != [unrecorded]:
                await trio.sleep(0.01)


async def test_volume_that_can_not_be_removed_is_logged_and_left(api, caplog, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(volumes, "delete_at", broken)
    volume = await api.volume()
    await api.call("DELETE", f"/volumes/{volume}")
    with trio.fail_after(20):
        while "could not be removed" not in caplog.text:
            await trio.sleep(0.01)


async def test_parts_that_nobody_takes_up_again_are_swept(tmp_path):
    async with open_api(tmp_path) as api:
        volume = await api.post("/volumes", status=201)
        for name in ("old", "new"):
            params = {"path": name, "upload": "n", "length": 9}
            path = f"/volumes/{volume['id']}/files/content"
            await api.ask("PUT", path, params=params, content=b"half")
        old = min(on_disk(volume).iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(old, (1, 1))
    async with open_api(tmp_path):
        with trio.fail_after(20):
            while old.exists():
                await trio.sleep(0.01)
        assert len(list(on_disk(volume).iterdir())) == 1


async def test_unfinished_files_of_a_killed_daemon_are_gone_at_the_next_start(tmp_path):
    async with open_api(tmp_path) as api:
        volume = await api.post("/volumes", status=201)
        params = {"path": "named", "upload": "n", "length": 9}
        path = f"/volumes/{volume['id']}/files/content"
        await api.ask("PUT", path, params=params, content=b"half")
        on_disk(volume, "d").mkdir()
        left = on_disk(volume, "d/.lightd-0123456789abcdef.temp")
        left.mkdir()
        (left / "staged").write_text("half of an archive")
        listed = await api.get(f"/volumes/{volume['id']}/files", path="d")
        assert listed["files"] == []
    await trio.sleep(0.2)
    async with open_api(tmp_path):
        with trio.fail_after(20):
            while left.exists():
                await trio.sleep(0.01)
        assert len(list(on_disk(volume).iterdir())) == 2


async def test_volumes_are_found_again_by_the_next_daemon(tmp_path):
    async with open_api(tmp_path) as api:
        await api.volume()
        before = await api.get("/volumes")
    async with open_api(tmp_path) as api:
        assert await api.get("/volumes") == before


async def test_volume_that_could_not_be_recorded_leaves_no_folder(api, tmp_path):
    api.journal.fault = "the disk is full"
    status, code, _ = await api.refused("POST", "/volumes")
    assert (status, code) == (507, "journal_unavailable")
    assert list((tmp_path / "storage/volumes").iterdir()) == []


async def test_client_that_leaves_in_the_middle_leaves_a_volume_with_its_folder(api, tmp_path):
    api.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.ask, "POST", "/volumes")
        await api.journal.held.wait()
        nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked(0.02)  # the server has noticed
    api.journal.gate.set()
    with trio.fail_after(20):
        while not (volumes := (await api.get("/volumes"))["volumes"]):
            await trio.sleep(0.001)
    assert [path.name for path in (tmp_path / "storage/volumes").iterdir()] == [volumes[0]["id"]]


async def test_file_is_written_with_its_folders(api):
    volume = await api.post("/volumes", status=201)
    path = f"/volumes/{volume['id']}/files"
    for content in ("hello\n", "", "h\u00e4llo \U0001f600\0\r\n"):
        assert await api.post(path, {"path": "./conf//a/motd.txt", "content": content}) == {
            "message": "File written successfully",
            "path": "conf/a/motd.txt",
        }
        assert on_disk(volume, "conf/a/motd.txt").read_bytes() == content.encode()


async def test_folder_is_made_with_those_above_it(api):
    volume = await api.post("/volumes", status=201)
    for _ in range(2):
        assert await api.post(f"/volumes/{volume['id']}/folders", {"path": "a/b/"}) == {
            "message": "Folder created successfully",
            "path": "a/b",
        }
    assert on_disk(volume, "a/b").is_dir()


async def test_files_are_listed_with_the_folders_first(api):
    volume = await api.post("/volumes", status=201)
    path = f"/volumes/{volume['id']}"
    await api.post(f"{path}/files", {"path": "a.txt", "content": "12345"})
    await api.post(f"{path}/folders", {"path": "z"})
    on_disk(volume, "link").symlink_to("a.txt")
    files = (await api.get(f"{path}/files"))["files"]
    assert [(entry["name"], entry["type"]) for entry in files] == [
        ("z", "directory"),
        ("a.txt", "file"),
        ("link", "symlink"),
    ]
    assert files[1].keys() == {"name", "type", "size", "modified_at", "mode"}
    assert files[1]["size"] == 5
    assert files[1]["modified_at"] > 0
    assert re.fullmatch(r"0[0-7]{3}", files[1]["mode"])
    assert await api.get(f"{path}/files", path="z") == {"files": [], "next": None}


async def test_listing_is_read_page_by_page(api):
    volume = await api.volume()
    for number in range(5):
        await api.post(f"/volumes/{volume}/files", {"path": f"{number}", "content": ""})
    names, cursor = [], {}
    while True:
        page = await api.get(f"/volumes/{volume}/files", limit=2, **cursor)
        names += [entry["name"] for entry in page["files"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert names == ["0", "1", "2", "3", "4"]
    refused = await api.refused("GET", f"/volumes/{volume}/files", cursor="?")
    assert refused[:2] == (400, "invalid_cursor")
    assert (await api.refused("GET", f"/volumes/{volume}/files", limit=0))[0] == 400


async def test_path_that_leads_out_is_refused(api):
    volume = await api.post("/volumes", status=201)
    path = f"/volumes/{volume['id']}"
    on_disk(volume, "out").symlink_to("/tmp")
    for bad in ("", ".", "..", "../x", "a/../x", "/etc/x", "C:\\x", "\\x", "a\0b", "a\\..\\b", "out/x"):
        assert await api.refused("POST", f"{path}/files", {"path": bad, "content": ""}) == ESCAPES
        assert await api.refused("POST", f"{path}/folders", {"path": bad}) == ESCAPES
    for bad in ("..", "/", "out"):
        assert await api.refused("GET", f"{path}/files", path=bad) == ESCAPES


async def test_conflict_in_a_volume_is_a_409_and_a_missing_path_a_404(api):
    path = f"/volumes/{await api.volume()}"
    await api.post(f"{path}/files", {"path": "file", "content": ""})
    await api.post(f"{path}/folders", {"path": "folder"})
    for method, route, body, status, code in [
        ("POST", "/files", {"path": "folder", "content": ""}, 409, "wrong_kind"),
        ("POST", "/files", {"path": "file/x", "content": ""}, 409, "wrong_kind"),
        ("POST", "/folders", {"path": "file"}, 409, "file_exists"),
        ("GET", "/files?path=nowhere", None, 404, "file_not_found"),
        ("GET", "/files?path=file", None, 409, "wrong_kind"),
    ]:
        assert (await api.refused(method, path + route, body))[:2] == (status, code)


async def test_field_of_a_file_that_is_wrong_is_named(api):
    path = f"/volumes/{await api.volume()}"
    for body, said in [
        ({}, "path: is missing; content: is missing"),
        (
            {"path": 5, "content": []},
            "path: must be a string (got 5); content: must be a string (got a list)",
        ),
        ({"path": "x", "content": "", "mode": "644"}, "mode: unknown field (known here: path, content)"),
    ]:
        assert await api.refused("POST", f"{path}/files", body) == (400, "invalid_request", said)
    assert (await api.refused("POST", f"{path}/folders", {"path": None}))[
        2
    ] == "path: must be a string (got null)"


async def test_volume_that_does_not_exist_is_a_404_and_one_that_cannot_a_400(api):
    for method, route in [("GET", ""), ("GET", "/files"), ("POST", "/files"), ("POST", "/folders")]:
        assert await api.refused(method, f"/volumes/{NO_VOLUME}{route}") == (
            404,
            "volume_not_found",
            "no such volume",
        )
        for bad in ("x", NO_VOLUME.upper().replace("0", "A", 1), f"{NO_VOLUME}0"):
            assert await api.refused(method, f"/volumes/{bad}{route}") == (
                400,
                "invalid_id",
                f'volume_id: must be a lower-case UUID (got "{bad}")',
            )


async def test_volume_whose_folder_somebody_removed_is_a_404_without_a_path_of_the_host(api):
    volume = await api.post("/volumes", status=201)
    on_disk(volume).rmdir()
    status, code, said = await api.refused("GET", f"/volumes/{volume['id']}/files")
    assert (status, code) == (404, "file_not_found")
    assert volume["path"] not in said


async def test_deleted_volume_that_takes_long_to_empty_keeps_no_other_waiting(tmp_path, monkeypatch):
    folders, emptied, real = volumes.VolumeFolders(tmp_path), threading.Event(), volumes.delete_at
    for name in "ab":
        (tmp_path / f"{volumes.DELETED}{name}").mkdir()

    def delete_at(folder, name, pace):
        if emptied.is_set() or name.endswith("b"):
            real(folder, name, pace)
            emptied.set()
        else:
            assert emptied.wait(20)
            real(folder, name, pace)

    monkeypatch.setattr(volumes, "delete_at", delete_at)
    monkeypatch.setattr(os, "listdir", lambda _: [f"{volumes.DELETED}{name}" for name in "ab"])
    await folders.sweep_deleted(set)
    assert not any((tmp_path / f"{volumes.DELETED}{name}").exists() for name in "ab")
