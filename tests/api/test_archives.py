"""The routes of archives: made, unpacked, looked at while they are, ended by who wants them no more."""

import io
import os
import tarfile
import zipfile

import pytest
import trio

from lightd.files import archives, archiving, jobs
from lightd.http.routes.archives import to_name
from tests.api.front import HEADERS, held_in, minted, on_disk, open_api, route

pytestmark = pytest.mark.one_python


@pytest.fixture
async def filled(api):
    volume = (await api.ask("POST", "/volumes")).json()
    on_disk(volume, "tree/sub").mkdir(parents=True)
    on_disk(volume, "tree/sub/f").write_text("content")
    on_disk(volume, "other").write_text("other")
    return volume


@pytest.mark.parametrize("kind", archives.kinds())
async def test_tree_goes_into_an_archive_and_comes_out_again(api, filled, kind):
    made = await api.post(
        f"{route(filled)}/compress", {"format": kind, "output_name": "a/b", "sources": ["tree"]}
    )
    archive = on_disk(filled, f"a/b.{kind}")
    assert made.pop("operation_id")
    assert made == {
        "message": "Compression successful",
        "archive_path": f"a/b.{kind}",
        "size": archive.stat().st_size,
    }
    done = await api.post(
        f"{route(filled)}/decompress", {"archive_path": f"a/b.{kind}", "destination": "back"}
    )
    assert done.pop("operation_id")
    assert done == {"message": "Decompression successful", "destination": "back", "left_out": 0}
    assert on_disk(filled, "back/tree/sub/f").read_text() == "content"
    assert held_in(filled) == ["a", "back", "other", "tree"]


def test_every_format_of_the_contract_is_there():
    assert archives.kinds() == ("zip", "tar", "tar.gz", "tar.bz2", "tar.zst")


def test_archive_is_named_after_its_kind():
    assert to_name("backup", "tar.gz") == "backup.tar.gz"
    assert to_name("backup.TAR.GZ", "tar.gz") == "backup.TAR.GZ"
    assert to_name("backup.zip", "tar") == "backup.zip.tar"
    assert to_name("folder/", "zip") == "folder.zip"
    assert to_name("", "zip") == ""


async def test_all_of_the_volume_is_packed_where_nothing_is_named(api, filled):
    await api.post(f"{route(filled)}/compress", {"format": "zip", "output_name": "all.zip"})
    with zipfile.ZipFile(on_disk(filled, "all.zip")) as archive:
        assert sorted(archive.namelist()) == ["other", "tree/", "tree/sub/", "tree/sub/f"]
    await api.post(f"{route(filled)}/decompress", {"archive_path": "all.zip", "destination": ""})
    assert held_in(filled) == ["all.zip", "other", "tree"]


@pytest.mark.parametrize("kind", archives.kinds())
async def test_archive_of_the_volume_holds_no_earlier_one_and_replaces_none(api, filled, kind):
    first = {"format": kind, "output_name": "monday"}
    await api.post(f"{route(filled)}/compress", first)
    before = on_disk(filled, f"monday.{kind}").read_bytes()
    answer = await api.refused("POST", f"{route(filled)}/compress", first)
    assert answer == (409, "file_exists", f'"monday.{kind}" exists already')
    assert on_disk(filled, f"monday.{kind}").read_bytes() == before
    part = {"format": kind, "output_name": "part", "sources": ["tree"]}
    await api.post(f"{route(filled)}/compress", part)
    await api.post(f"{route(filled)}/compress", {"format": kind, "output_name": "tuesday"})
    body = {"archive_path": f"tuesday.{kind}", "destination": "back"}
    await api.post(f"{route(filled)}/decompress", body)
    back = sorted(path.name for path in on_disk(filled, "back").iterdir())
    assert back == ["other", f"part.{kind}", "tree"]
    assert await api.post(f"{route(filled)}/compress", part)  # of a selection, it replaces the older one


async def test_links_and_names_come_back_through_the_routes(api, filled):
    tree = on_disk(filled, "tree")
    (tree / "sdk64").symlink_to("/home/container/linux64")
    (tree / "up").symlink_to("../../..")
    (tree / os.fsdecode(b"caf\xe9")).write_text("1")
    (tree / os.fsdecode(b"caf\xe8")).write_text("2")
    (tree / "d:x").mkdir(mode=0o711)
    os.utime(tree / "d:x", ns=(1, 1_700_000_000_123_456_789))
    for kind in archives.kinds():
        await api.post(f"{route(filled)}/compress", {"format": kind, "output_name": "a", "sources": ["tree"]})
        done = await api.post(
            f"{route(filled)}/decompress", {"archive_path": f"a.{kind}", "destination": kind}
        )
        assert done["left_out"] == 0
        back = on_disk(filled, f"{kind}/tree")
        assert sorted(path.name for path in back.iterdir()) == sorted(path.name for path in tree.iterdir())
        assert str((back / "sdk64").readlink()) == "/home/container/linux64"
        assert (back / "d:x").stat().st_mtime_ns == 1_700_000_000_123_456_789


async def test_extraction_of_no_archive_is_refused_and_leaves_nothing(api, filled):
    with tarfile.open(on_disk(filled, "evil"), "w") as tar:
        tar.addfile(tarfile.TarInfo("../out"), io.BytesIO())
    for path, status, code in [
        ("other", 400, "invalid_archive"),
        ("evil", 400, "invalid_path"),
        ("tree", 409, "wrong_kind"),
        ("none", 404, "file_not_found"),
    ]:
        body = {"archive_path": path, "destination": "back"}
        assert (await api.refused("POST", f"{route(filled)}/decompress", body))[:2] == (status, code)
        assert held_in(filled) == ["evil", "other", "tree"]


async def test_compression_that_is_not_possible_is_refused_and_leaves_nothing(api, filled):
    for part, status, said in [
        (
            {"format": "rar"},
            400,
            'format: must be "zip", "tar", "tar.gz", "tar.bz2" or "tar.zst" (got "rar")',
        ),
        ({"sources": []}, 400, "sources: must hold 1 to 1000 paths"),
        ({"sources": ["none"]}, 404, '"none" does not exist in the volume'),
        ({"sources": "tree"}, 400, 'sources: must be a list (got "tree")'),
        ({"output_name": "other/x"}, 409, '"other/x.tar" is not a folder, or a parent of it is a file'),
        ({"output_name": ""}, 400, "Invalid path: path traversal detected"),
    ]:
        body = {"format": "tar", "output_name": "new", **part}
        answer = await api.refused("POST", f"{route(filled)}/compress", body)
        assert (answer[0], answer[2]) == (status, said)
    assert held_in(filled) == ["other", "tree"]


async def test_unpacked_files_belong_to_the_owner_of_the_volume(api, filled):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(on_disk(filled), 4321, 8765)
    await api.post(f"{route(filled)}/compress", {"format": "zip", "output_name": "a"})
    await api.post(f"{route(filled)}/decompress", {"archive_path": "a.zip", "destination": "back"})
    for path in (on_disk(filled, "a.zip"), on_disk(filled, "back"), on_disk(filled, "back/tree/sub/f")):
        assert (path.stat().st_uid, path.stat().st_gid) == (4321, 8765)


async def begin_huge(api, volume, **params):
    """Pack what takes hours, as a zip has holes as zeros; return the operation."""
    with on_disk(volume, "huge").open("wb") as file:
        file.truncate(1 << 40)
    body = {"format": "zip", "output_name": "a"}
    return await api.post(f"{route(volume)}/compress", body, **params)


async def wait_begun(api, volume):
    with trio.fail_after(20):
        while True:
            found = (await api.get(f"{route(volume)}/operations"))["operations"]
            if found and found[-1]["bytes"] > 0:
                return found[-1]
            await trio.sleep(0.02)


async def test_long_operation_tells_how_far_it_is_and_is_cancelled_on_request(api, filled):
    assert await api.get(f"{route(filled)}/operations") == {"operations": []}
    answer = await begin_huge(api, filled, wait=0)
    operation_id = answer["operation_id"]
    assert answer == {"message": "Compression started", "operation_id": operation_id, "status": "pending"}
    shown = await wait_begun(api, filled)
    assert shown["operation_id"] == operation_id
    assert (shown["kind"], shown["volume_id"], shown["status"]) == ("compress", filled["id"], "pending")
    assert (shown["error"], shown["finished_at"]) == (None, None)
    assert shown["started_at"] > 0
    where = f"{route(filled)}/operations/{operation_id}"
    assert (await api.get(where))["bytes"] >= shown["bytes"]
    ended = await api.call("DELETE", where)
    assert (ended["message"], ended["status"]) == ("Operation ended", "cancelled")
    assert held_in(filled) == ["huge", "other", "tree"]
    assert (await api.get(where))["finished_at"] >= shown["started_at"]
    other = await api.volume()
    assert (await api.refused("GET", f"/volumes/{other}/operations/{operation_id}"))[:2] == (
        404,
        "operation_not_found",
    )


async def test_archive_is_found_among_all_operations_in_the_shape_that_they_have(api, filled):
    operation_id = (await begin_huge(api, filled, wait=0))["operation_id"]
    assert operation_id.startswith("compress-")
    await wait_begun(api, filled)
    shown = await api.get(f"/operations/{operation_id}")
    assert (shown["operation_id"], shown["kind"], shown["status"]) == (operation_id, "compress", "pending")
    assert (shown["error"], shown["finished_at"]) == (None, None)
    assert (shown["volume_id"], shown["bytes"] > 0, shown["started_at"] > 0) == (filled["id"], True, True)
    await api.call("DELETE", f"{route(filled)}/operations/{operation_id}")
    shown = await api.get(f"/operations/{operation_id}")
    assert shown == await api.get(f"{route(filled)}/operations/{operation_id}")
    assert shown["status"] == "cancelled"


async def test_request_that_waits_for_a_cancelled_operation_is_answered(api, filled):
    async with trio.open_nursery() as nursery:

        async def wait():
            nonlocal refused
            body = {"format": "zip", "output_name": "a"}
            refused = await api.refused("POST", f"{route(filled)}/compress", body)

        refused = None
        with on_disk(filled, "huge").open("wb") as file:
            file.truncate(1 << 40)
        nursery.start_soon(wait)
        shown = await wait_begun(api, filled)
        await api.call("DELETE", f"{route(filled)}/operations/{shown['operation_id']}")
    assert refused[:2] == (409, "cancelled")


async def test_client_that_leaves_ends_its_archive(api, filled):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin_huge, api, filled)
        shown = await wait_begun(api, filled)
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while (await api.get(f"{route(filled)}/operations/{shown['operation_id']}"))["status"] == "pending":
            await trio.sleep(0.02)
    assert held_in(filled) == ["huge", "other", "tree"]


async def test_operation_that_nobody_waits_for_ends_by_itself(api, filled):
    body = {"archive_path": "other", "destination": "back"}
    answer = await api.post(f"{route(filled)}/decompress", body, wait=0)
    assert answer["message"] == "Decompression started"
    job = api.system.jobs.get(answer["operation_id"])
    await job.done.wait()
    shown = await api.get(f"{route(filled)}/operations/{answer['operation_id']}")
    assert (shown["status"], shown["error"]) == (
        "failed",
        "The archive is damaged, or its format is not supported",
    )
    body = {"format": "zip", "output_name": "a"}
    assert (await api.post(f"{route(filled)}/compress", body, wait=20))["size"] > 0


async def test_one_archive_at_a_time_is_made_in_a_volume_and_the_others_wait(api, filled):
    await begin_huge(api, filled, wait=0)
    first = await wait_begun(api, filled)
    body = {"format": "zip", "output_name": "small", "sources": ["tree"]}
    second = await api.post(f"{route(filled)}/compress", body, wait=0.1)
    assert second["status"] == "pending"
    await api.call("DELETE", f"{route(filled)}/operations/{first['operation_id']}")
    await api.system.jobs.get(second["operation_id"]).done.wait()
    assert "small.zip" in held_in(filled)


async def test_two_archives_wait_in_a_volume_and_a_third_is_a_429(api, filled):
    for _ in range(3):
        await begin_huge(api, filled, wait=0)
    body = {"format": "zip", "output_name": "small"}
    for path, asked in (("compress", body), ("decompress", {"archive_path": "a", "destination": ""})):
        answer = await api.ask("POST", f"{route(filled)}/{path}?wait=0", asked)
        said = "This volume has too many archives: 1 at once, and 2 more wait; try again later"
        assert (answer.status_code, answer.json()) == (429, {"error": said, "code": "volume_busy"})
        assert int(answer.headers["Retry-After"]) > 0
    other = await api.volume()
    assert (await api.post(f"/volumes/{other}/compress", body))["size"] > 0


async def test_archives_of_greedy_volumes_leave_the_others_theirs(api, filled, monkeypatch):
    """As many volumes as there are processes pack for hours, each under a token of its own."""
    monkeypatch.setattr(archiving, "AT_A_TIME", 0.2)
    greedy = [(await api.ask("POST", "/volumes")).json() for _ in range(5)]
    scoped = await minted(api)
    for each in greedy:
        for _ in range(3):
            with on_disk(each, "huge").open("wb") as file:
                file.truncate(1 << 40)
            body = {"format": "zip", "output_name": "a"}
            answer = await api.ask(
                "POST", f"/volumes/{each['id']}/compress?wait=0", body, headers={**HEADERS, **scoped}
            )
            assert answer.status_code == 200
    small = {"format": "zip", "output_name": "small", "sources": ["tree"]}
    with trio.fail_after(120):
        for headers in (HEADERS, {**HEADERS, **scoped}):
            answer = await api.ask("POST", f"{route(filled)}/compress", small, headers=headers, timeout=120)
            assert answer.json()["message"] == "Compression successful"
    own = await api.ask("POST", f"/volumes/{greedy[0]['id']}/compress?wait=0", small)
    assert own.status_code == 200  # the master's queue is another


async def test_archiver_that_dies_is_a_500_and_an_operation_that_failed(api, filled, monkeypatch):
    monkeypatch.setattr(archiving, "_COMMAND", ("/bin/false",))
    answer = await api.ask("POST", f"{route(filled)}/compress", {"format": "zip", "output_name": "a"})
    assert answer.status_code == 500
    (shown,) = (await api.get(f"{route(filled)}/operations"))["operations"]
    assert (shown["status"], shown["error"]) == ("failed", "an unexpected failure (see the log)")


async def test_ended_operations_are_forgotten_in_time(api, filled, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT_IN_ONE", 2)
    other = await api.volume()
    body = {"archive_path": "none", "destination": ""}
    await api.refused("POST", f"/volumes/{other}/decompress", body)
    for _ in range(4):
        await api.refused("POST", f"{route(filled)}/decompress", body)
    assert len((await api.get(f"{route(filled)}/operations"))["operations"]) == 2
    assert len((await api.get(f"/volumes/{other}/operations"))["operations"]) == 1  # not pushed out
    monkeypatch.setattr(jobs, "KEPT", 2)
    await api.refused("POST", f"{route(filled)}/decompress", body)
    assert (await api.get(f"/volumes/{other}/operations"))["operations"] == []


async def test_daemon_that_stops_takes_its_operations_along(tmp_path):
    async with open_api(tmp_path) as api:
        volume = (await api.ask("POST", "/volumes")).json()
        await begin_huge(api, volume, wait=0)
        await wait_begun(api, volume)
    assert held_in(volume) == ["huge"]
