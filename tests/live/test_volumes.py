"""Volumes through the real daemon, with a real container at work in them, and a daemon that is killed.

``LIGHTD_LARGE_MIB`` is how large the large file is.
"""

import os

import pytest
import trio

from tests.bench.process import resident
from tests.support.daemon import open_client

SERVER = "volumes-live"
SIZE = int(os.environ.get("LIGHTD_LARGE_MIB", "512")) << 20
PIECE = 1 << 20
FLAT = 64 << 20

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def client_of(daemon):
    return open_client(base_url=daemon.url)


def on_disk(daemon, volume):
    return daemon.folder / "storage/volumes" / volume


@as_root
async def test_uploaded_files_belong_to_the_containers_user_and_can_be_used_by_it(daemon):
    volume = await daemon.volume()
    await daemon.create(SERVER, command="sh run.sh", volume_id=volume, user="4321:8765")
    script = "id -u; cat up/loaded.txt; echo changed > up/loaded.txt; mv up moved; rm back/run.sh; echo done"
    await daemon.post(f"/volumes/{volume}/files", {"path": "run.sh", "content": script})
    async with client_of(daemon) as client:
        where = f"/volumes/{volume}/files/content"
        await client.put(where, params={"path": "up/loaded.txt"}, content=b"uploaded\n")
    await daemon.post(f"/volumes/{volume}/compress", {"format": "tar.zst", "output_name": "a"})
    await daemon.post(f"/volumes/{volume}/decompress", {"archive_path": "a.tar.zst", "destination": "back"})
    async with daemon.console(SERVER) as console:
        await daemon.power("start", SERVER, wait=0)
        await console.until("event", "exit")
    assert console.text.split() == ["4321", "uploaded", "done"]
    assert (on_disk(daemon, volume) / "moved/loaded.txt").read_text() == "changed\n"
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in on_disk(daemon, volume).rglob("*")}
    assert owners == {(4321, 8765)}


async def test_large_file_goes_up_and_down_in_memory_that_stays_flat(daemon):
    volume = await daemon.volume()
    where, before = f"/volumes/{volume}/files/content?path=big", resident(daemon.process.pid)
    highest, received = before, 0

    async def body():
        nonlocal highest
        for number in range(SIZE // PIECE):
            yield bytes(PIECE)
            if number % 16 == 0:
                highest = max(highest, resident(daemon.process.pid))

    async with client_of(daemon) as client:
        answer = await client.put(where, content=body(), headers={"Content-Length": str(SIZE)})
        assert answer.json()["size"] == SIZE, answer.text
        async with client.stream("GET", where) as stream:
            async for piece in stream.aiter_raw():
                received += len(piece)
                if received % (64 * PIECE) < len(piece):
                    highest = max(highest, resident(daemon.process.pid))
    assert received == SIZE
    print(f"{SIZE >> 20:,} MiB up and down: {(highest - before) / PIECE:.1f} MiB of memory more")  # noqa: T201 - -s shows it
    assert highest - before < FLAT


async def test_file_changes_from_outside_are_what_the_server_finds(daemon):
    volume = await daemon.volume()
    script = (
        "#!/bin/sh\nls -l | sed 1d | cut -d' ' -f1 | sort | uniq -c; cat tools/*; [ -e gone ] || echo done\n"
    )
    for path, content in (("run", script), ("one/a.txt", "a\n"), ("gone/b.txt", "b\n")):
        await daemon.post(f"/volumes/{volume}/files", {"path": path, "content": content})
    at = f"/volumes/{volume}"
    await daemon.post(f"{at}/copy", {"source": "one", "destination": "two"})
    await daemon.post(f"{at}/rename", {"source": "one", "destination": "tools"})
    await daemon.post(f"{at}/rename", {"source": "two/a.txt", "destination": "tools/b.txt"})
    await daemon.post(f"{at}/chmod", {"path": "run", "mode": "755"})
    await daemon.call("DELETE", f"{at}/files", {"paths": ["gone", "two"]})
    await daemon.create("volumes-run", command="./run", volume_id=volume)
    async with daemon.console("volumes-run") as console:
        await daemon.power("start", "volumes-run", wait=0)
        await console.until("event", "exit")
    assert console.text.split() == ["1", "-rwxr-xr-x", "1", "drwxr-xr-x", "a", "a", "done"]
    assert (await daemon.get(f"{at}/quota"))["used_mb"] >= 0


async def test_part_of_a_file_and_a_file_that_has_not_changed(daemon):
    volume = await daemon.volume()
    async with client_of(daemon) as client:
        where = f"/volumes/{volume}/files/content?path=f"
        etag = (await client.put(where, content=b"0123456789")).headers["ETag"]
        part = await client.get(where, headers={"Range": "bytes=2-4", "If-Range": etag})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["Content-Range"] == "bytes 2-4/10"
        assert (await client.get(where, headers={"If-None-Match": etag})).status_code == 304
        assert (await client.put(where, content=b"new", headers={"If-Match": '"other"'})).status_code == 412
        changed = (await client.put(where, content=b"new", headers={"If-Match": etag})).headers["ETag"]
        assert changed != etag
        assert (await client.get(where, headers={"If-None-Match": etag})).content == b"new"


async def test_upload_goes_on_after_the_daemon_was_killed(daemon):
    volume = await daemon.volume()
    data = os.urandom(3 * PIECE)
    named = {"path": "d/big", "upload": "u1"}
    async with client_of(daemon) as client:
        where = f"/volumes/{volume}/files/content"
        params = {**named, "length": len(data)}
        answer = await client.put(where, params=params, content=data[: 2 * PIECE])
        assert answer.json()["offset"] == 2 * PIECE
    daemon.kill()
    await daemon.start()
    async with client_of(daemon) as client:
        arrived = (await client.get(f"/volumes/{volume}/files/upload", params=named)).json()["offset"]
        assert arrived == 2 * PIECE
        answer = await client.put(where, params={**params, "offset": arrived}, content=data[arrived:])
        assert answer.json()["size"] == len(data)
    assert (on_disk(daemon, volume) / "d/big").read_bytes() == data


async def test_daemon_that_is_killed_while_it_deletes_a_volume_finishes_it_at_the_next_start(daemon):
    kept, volume = await daemon.volume(), await daemon.volume()
    for number in range(200):
        folder = on_disk(daemon, volume) / f"{number}"
        folder.mkdir()
        for name in range(50):
            (folder / f"{name}").touch()
    await daemon.call("DELETE", f"/volumes/{volume}")
    daemon.kill()
    await daemon.start()
    assert [each["id"] for each in (await daemon.get("/volumes"))["volumes"]] == [kept]
    with trio.fail_after(60):
        while [path.name for path in on_disk(daemon, "").iterdir()] != [kept]:
            await trio.sleep(0.05)


async def test_archive_under_way_is_gone_with_the_daemon_that_was_killed(daemon):
    volume = await daemon.volume()
    with (on_disk(daemon, volume) / "huge").open("wb") as file:
        file.truncate(1 << 40)
    await daemon.post(f"/volumes/{volume}/compress", {"format": "zip", "output_name": "a"}, wait=0)
    with trio.fail_after(60):
        while len(list(on_disk(daemon, volume).iterdir())) < 2:
            await trio.sleep(0.05)
        daemon.kill()
        while len(list(on_disk(daemon, volume).iterdir())) > 1:  # the archiver tidies up on its own
            await trio.sleep(0.05)
    await daemon.start()
    assert [entry["name"] for entry in (await daemon.get(f"/volumes/{volume}/files"))["files"]] == ["huge"]
