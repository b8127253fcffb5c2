"""Every writer in lightd is charged while it writes, where nobody but lightd keeps a volume to its size."""

import io
import os
import socket
import tarfile
import zipfile
from functools import partial

import pytest
import trio

from lightd.files.quota import limits
from lightd.files.quota.kind import MEGABYTE
from tests.api.front import HEADERS, on_disk

pytestmark = pytest.mark.one_python

SIZE = 10
CLOSE = SIZE * MEGABYTE + MEGABYTE // 2
"""No volume of ``SIZE`` may get so large."""


@pytest.fixture
async def sized(accounted):
    return await accounted.post("/volumes", {"size": SIZE}, status=201)


def held_in(volume):
    return sorted(str(path.relative_to(volume["path"])) for path in on_disk(volume).rglob("*"))


def used(volume):
    """Real blocks, every inode once."""
    seen = {}
    for path in on_disk(volume).rglob("*"):
        state = path.lstat()
        seen[state.st_ino] = state.st_blocks * 512
    return sum(seen.values())


def fill(volume, name, megabytes):
    on_disk(volume, name).write_bytes(os.urandom(int(megabytes * MEGABYTE)))


async def refused(api, method, path, body=None, **params):
    assert (await api.refused(method, path, body, **params))[:2] == (507, "no_space")


async def endless(megabytes, peak, volume):
    piece = os.urandom(MEGABYTE)
    for _ in range(megabytes):
        peak.append(used(volume))
        yield piece


async def put(api, volume, content, **params):
    return await api.ask(
        "PUT", f"/volumes/{volume['id']}/files/content", content=content, params={"path": "f", **params}
    )


async def test_upload_of_unknown_length_ends_at_the_limit_and_leaves_nothing(accounted, sized):
    fill(sized, "kept", 3)
    peak = []
    answer = await put(accounted, sized, endless(60, peak, sized))
    assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
    assert max(peak) <= CLOSE
    assert held_in(sized) == ["kept"]
    assert (await put(accounted, sized, endless(6, peak, sized))).status_code == 200


@pytest.mark.parametrize("way", ["download", "upload"])
async def test_deleted_file_counts_while_a_client_downloads_or_uploads_it(accounted, sized, way):
    """Otherwise each of 64 slow downloads could hold another file of the volume's size."""
    going = trio.Event()

    async def slow():
        yield os.urandom(8 * MEGABYTE)
        going.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        if way == "download":
            fill(sized, "big", 8)
            os.truncate(on_disk(sized, "big"), 1 << 30)
            path = f"/volumes/{sized['id']}/files/content"
            host, port = accounted.url.removeprefix("http://").split(":")
            client = await trio.open_tcp_stream(host, int(port))
            head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
            await client.send_all(f"GET {path}?path=big HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
            assert b"200" in await client.receive_some(100)
            nursery.start_soon(trio.sleep_forever)
        else:
            nursery.start_soon(put, accounted, sized, slow())
            await going.wait()
            with trio.fail_after(20):
                while used(sized) < 7 * MEGABYTE:
                    await trio.sleep(0.01)
        for path in on_disk(sized).iterdir():
            path.unlink()
        answer = await put(accounted, sized, bytes(4 * MEGABYTE), path="other")
        assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
        nursery.cancel_scope.cancel()
    if way == "download":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await client.aclose()
    with trio.fail_after(20):
        while (await put(accounted, sized, bytes(4 * MEGABYTE), path="other")).status_code != 200:
            await trio.sleep(0.05)


async def test_declared_length_over_the_room_is_refused_before_the_body_is_read(accounted, sized):
    fill(sized, "kept", 3)
    answer = await put(accounted, sized, bytes(8 * MEGABYTE))
    assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
    peak = []
    answer = await put(accounted, sized, endless(3, peak, sized), upload="u", length=8 * MEGABYTE)
    assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
    assert held_in(sized) == ["kept"]


async def test_upload_in_pieces_that_fits_is_taken_piece_by_piece_and_again_from_its_beginning(
    accounted, sized
):
    data = os.urandom(6 * MEGABYTE)
    for offset in (0, 2 * MEGABYTE, 0, 4 * MEGABYTE):  # the third begins anew, the fourth goes on from it
        piece = data[offset : offset + (4 if offset == 0 else 2) * MEGABYTE]
        answer = await put(accounted, sized, piece, upload="u", length=len(data), offset=offset)
        assert answer.status_code == 200, answer.text
    assert on_disk(sized, "f").read_bytes() == data


async def test_uploads_at_once_share_the_room(accounted, sized):
    statuses = []

    async def upload(number):
        answer = await put(accounted, sized, endless(2, [], sized), path=f"f{number}")
        statuses.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(upload, number)
    assert set(statuses) == {200, 507}
    assert 3 <= statuses.count(200) <= 5  # five are ten megabytes
    assert used(sized) <= CLOSE
    assert len(held_in(sized)) == statuses.count(200)


async def test_copies_at_once_share_the_room(accounted, sized):
    fill(sized, "tree", 0)
    on_disk(sized, "tree").unlink()
    on_disk(sized, "tree").mkdir()
    fill(sized, "tree/a", 1)
    os.link(on_disk(sized, "tree/a"), on_disk(sized, "tree/b"))
    statuses = []

    async def copy(number):
        body = {"source": "tree", "destination": f"copy{number}"}
        statuses.append((await accounted.ask("POST", f"/volumes/{sized['id']}/copy", body)).status_code)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(copy, number)
    assert set(statuses) == {200, 507}
    assert used(sized) <= CLOSE
    assert len(list(on_disk(sized).iterdir())) == statuses.count(200) + 1


def zipped(volume, name, megabytes, padding=4):
    """A zip of repeated bytes, that its ratio doesn't give away."""
    with zipfile.ZipFile(on_disk(volume, name), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("padding", os.urandom(padding * MEGABYTE))
        for number in range(megabytes // 16):
            archive.writestr(f"d{number}/repeated", b"x" * (16 * MEGABYTE))


def tarred(volume, name, megabytes):
    with tarfile.open(on_disk(volume, name), "w:gz") as archive:
        info = tarfile.TarInfo("big")
        info.size = megabytes * MEGABYTE
        archive.addfile(info, io.BytesIO(b"x" * info.size))


@pytest.mark.parametrize(
    "pack",
    [partial(zipped, name="bomb", megabytes=160), partial(tarred, name="bomb", megabytes=60)],
    ids=["zip", "tar.gz"],
)
async def test_unpacking_ends_at_the_limit_and_leaves_nothing(accounted, sized, pack):
    pack(sized)
    before = held_in(sized)
    body = {"archive_path": "bomb", "destination": "out"}
    await refused(accounted, "POST", f"/volumes/{sized['id']}/decompress", body)
    assert held_in(sized) == before


@pytest.mark.parametrize("kind", ["tar", "zip", "tar.gz"])
async def test_packing_ends_at_the_limit_and_leaves_nothing(accounted, sized, kind):
    fill(sized, "a", 6)
    before = held_in(sized)
    body = {"format": kind, "output_name": "out", "sources": ["a", "a"]}
    await refused(accounted, "POST", f"/volumes/{sized['id']}/compress", body)
    assert held_in(sized) == before


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2"])
async def test_sparse_file_of_two_gigabytes_is_packed_and_unpacked_in_a_volume_of_ten_megabytes(
    accounted, sized, kind
):
    with on_disk(sized, "sparse").open("wb") as file:
        file.seek(1 << 30)
        file.write(b"in the middle")
        file.truncate(2 << 30)
    body = {"format": kind, "output_name": "out"}
    packed = await accounted.post(f"/volumes/{sized['id']}/compress", body)
    assert packed["size"] <= 64 << 10
    body = {"archive_path": packed["archive_path"], "destination": "back"}
    await accounted.post(f"/volumes/{sized['id']}/decompress", body)
    assert on_disk(sized, "back/sparse").stat().st_size == 2 << 30
    with on_disk(sized, "back/sparse").open("rb") as file:
        file.seek(1 << 30)
        assert file.read(13) == b"in the middle"
    assert used(sized) <= 128 << 10


async def test_zip_of_a_sparse_file_stays_within_the_limit(accounted, sized):
    with on_disk(sized, "sparse").open("wb") as file:
        file.truncate(128 * MEGABYTE)
    await accounted.post(f"/volumes/{sized['id']}/compress", {"format": "zip", "output_name": "out"})
    assert used(sized) <= MEGABYTE


async def test_zeros_in_an_archive_are_unpacked_as_holes_and_cost_nothing(accounted, sized):
    with zipfile.ZipFile(on_disk(sized, "a"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(60 * MEGABYTE))
    await accounted.post(f"/volumes/{sized['id']}/decompress", {"archive_path": "a", "destination": "back"})
    assert on_disk(sized, "back/zeros").stat().st_size == 60 * MEGABYTE
    assert used(sized) <= MEGABYTE


async def test_files_that_fit_exactly_are_packed_unpacked_copied_and_written(accounted, sized):
    path = f"/volumes/{sized['id']}"
    fill(sized, "a", 3)
    await accounted.post(f"{path}/compress", {"format": "tar", "output_name": "a.tar", "sources": ["a"]})
    await accounted.post(f"{path}/decompress", {"archive_path": "a.tar", "destination": "out"})
    assert on_disk(sized, "out/a").read_bytes() == on_disk(sized, "a").read_bytes()
    await refused(accounted, "POST", f"{path}/copy", {"source": "a", "destination": "b"})
    on_disk(sized, "a.tar").unlink()
    await accounted.post(f"{path}/copy", {"source": "a", "destination": "b"})
    await refused(accounted, "POST", f"{path}/files", {"path": "c", "content": "x" * (3 * MEGABYTE // 2)})
    await accounted.post(f"{path}/files", {"path": "c", "content": "x" * (MEGABYTE // 2)})
    assert used(sized) <= CLOSE


async def test_refused_writer_leaves_all_the_room_to_the_next(accounted, sized):
    """What a writer reserved, or wrote and took away again, is nobody's afterwards."""
    path = f"/volumes/{sized['id']}"
    fill(sized, "a", 4)
    for _ in range(3):
        await refused(
            accounted,
            "POST",
            f"{path}/compress",
            {"format": "tar", "output_name": "b", "sources": ["a", "a"]},
        )
        assert (await put(accounted, sized, endless(20, [], sized))).status_code == 507
    account = accounted.system.quotas.account(sized["id"])
    assert account.writing == limits.Amount(0, 0)
    await accounted.post(f"{path}/copy", {"source": "a", "destination": "b"})


async def test_writer_whose_client_leaves_gives_its_room_back(accounted, sized):
    begun = trio.Event()

    async def stalling():
        yield os.urandom(MEGABYTE)
        begun.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(put, accounted, sized, stalling())
        await begun.wait()
        nursery.cancel_scope.cancel()
    account = accounted.system.quotas.account(sized["id"])
    with trio.fail_after(20):
        while account.writing.bytes or held_in(sized):
            await trio.sleep(0.01)
    assert (await put(accounted, sized, endless(9, [], sized))).status_code == 200


@pytest.fixture
def few(monkeypatch):
    """Volumes may have few entries."""
    monkeypatch.setattr(limits, "FEWEST", 100)
    monkeypatch.setattr(limits, "UNSIZED", 100)
    monkeypatch.setattr(limits, "BYTES_AN_ENTRY", MEGABYTE)


@pytest.mark.parametrize("size", [SIZE, None])
async def test_entries_are_counted_shown_and_bounded_for_every_writer(accounted, few, size):
    volume = await accounted.post("/volumes", {"size": size} if size else None, status=201)
    path = f"/volumes/{volume['id']}"
    on_disk(volume, "tree").mkdir()
    for number in range(60):
        on_disk(volume, f"tree/{number}").touch()
    with tarfile.open(on_disk(volume, "many.tar"), "w") as archive:
        for number in range(60):
            archive.addfile(tarfile.TarInfo(f"many/{number}"))
    await accounted.system.quotas.survey(volume["id"])
    quota = await accounted.get(f"{path}/quota")
    assert (quota["entries_used"], quota["entries_limit"]) == (62, 100)
    before = held_in(volume)
    for route, body in [
        ("copy", {"source": "tree", "destination": "copy"}),
        ("decompress", {"archive_path": "many.tar", "destination": "out"}),
        ("folders", {"path": "/".join("f" * 50)}),
        ("files", {"path": "/".join("f" * 50), "content": ""}),
        ("rename", {"source": "many.tar", "destination": "/".join("f" * 50)}),
    ]:
        status, code, said = await accounted.refused("POST", f"{path}/{route}", body)
        assert (status, code) == (507, "no_space"), route
        assert said.startswith("The volume is full: "), said
        count = "of 100 entries (files, folders and links) are used"
        assert said.endswith(f"{count}; delete files, or enlarge it")
    answer = await put(accounted, volume, b"x", path="/".join("f" * 50))
    assert answer.status_code == 507
    made = [name for name in held_in(volume) if name not in before and not name.startswith("f")]
    assert made == []
    assert len(held_in(volume)) <= 100


async def test_names_of_a_file_count_each(accounted, sized):
    on_disk(sized, "a").touch()
    for number in range(9):
        os.link(on_disk(sized, "a"), on_disk(sized, f"b{number}"))
    await accounted.system.quotas.survey(sized["id"])
    assert (await accounted.get(f"/volumes/{sized['id']}/quota"))["entries_used"] == 10


async def test_many_small_files_may_be_unpacked_where_they_fit(accounted, sized):
    """Each is charged as if it took a block; looks find that they don't."""
    with tarfile.open(on_disk(sized, "many.tar"), "w") as archive:
        for number in range(4000):
            archive.addfile(tarfile.TarInfo(f"many/{number}"))
    await accounted.post(
        f"/volumes/{sized['id']}/decompress", {"archive_path": "many.tar", "destination": ""}
    )
    assert len(held_in(sized)) == 4002


async def test_size_that_shrinks_while_a_writer_has_its_room_is_refused(accounted, sized):
    begun, go = trio.Event(), trio.Event()

    async def slow():
        yield bytes(4 * MEGABYTE)
        begun.set()
        await go.wait()

    path = f"/volumes/{sized['id']}"
    answers = []

    async def upload():
        answers.append(await put(accounted, sized, slow()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upload)
        await begun.wait()
        with trio.fail_after(20):
            while used(sized) < 3 * MEGABYTE:
                await trio.sleep(0.01)
        status, code, _ = await accounted.refused("POST", f"{path}/resize", {"size": 2})
        assert (status, code) == (409, "quota_below_usage")
        go.set()
    assert answers[0].status_code == 200
