"""Archives that were made to take time or memory: each is refused soon, for what it is, with nothing left."""

import bz2
import gzip
import io
import signal
import tarfile
import time
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import trio

from lightd.files import archiver, archives, archiving, errors, shares
from lightd.files.paths import parse_path
from tests.support.scene import TENANT

SOON = 90.0
"""Seconds: each is refused within a few, and none of them ever ended by itself."""


def header(kind=tarfile.REGTYPE, size=0, name="f"):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(records):
    return header(tarfile.XHDTYPE, len(records)) + records + bytes(-len(records) % 512)


def end():
    return bytes(1024)


def chain(kind, times):
    return (header(kind, 4) + b"name".ljust(512, b"\0")) * times + header() + end()


def sparse_map():
    """A sparse file of the newest kind, with a map of four million holes."""
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    return pax(records) + header(size=8 << 20) + b"1000000000\n" + b"1\n" * (4 << 20) + end()


def sparse_claim():
    """A sparse file of the newest kind, of one hole."""
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n43 GNU.sparse.realsize=4611686018427387904\n"
    return pax(records) + header(size=512) + b"1\n0\n0\n".ljust(512, b"\0") + end()


def blown_up(compress):
    """An entry of a kind that is skipped, of nothing but zeros."""
    return compress(header(b"Z", 100 << 20) + bytes(100 << 20) + end())


def directory_of(entries):
    """A zip whose end says that it has so many entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("f", b"")
    tail = made.getvalue()[-22:]
    return made.getvalue()[:-22] + tail[:8] + entries.to_bytes(2, "little") * 2 + tail[12:]


HOSTILE = {
    "an entry of a kind that nobody knows, of 2^62 bytes": (
        lambda: header(b"Z", 2**62),
        "The archive is truncated: upload it again",
    ),
    "a file of 2^62 bytes": (lambda: header(size=2**62) + bytes(4096), "The archive is damaged"),
    "a PAX record of 4 MB of digits": (lambda: pax(b"1" * (4 << 20)), "more than 65536 bytes of headers"),
    "global headers of 4 MB": (
        lambda: header(tarfile.XGLTYPE, 4 << 20) + b"1" * (4 << 20),
        "more than 65536 bytes of headers",
    ),
    "a long name of 4 MB": (
        lambda: header(tarfile.GNUTYPE_LONGNAME, 4 << 20) + b"x" * (4 << 20) + header() + end(),
        "more than 65536 bytes of headers",
    ),
    "long names that follow each other": (
        lambda: chain(tarfile.GNUTYPE_LONGNAME, 5000),
        "more than 65536 bytes of headers",
    ),
    "long names of a size below nothing": (lambda: header(tarfile.GNUTYPE_LONGNAME, -512), "The archive"),
    "an entry of a size below nothing": (lambda: header(b"Z", -1024) * 3, "The archive"),
    "a map of four million holes": (sparse_map, "more than 65536 bytes of headers"),
    "a sparse file of 2^62 bytes": (sparse_claim, "more than 274877906944 bytes"),
    "a bomb of gzip in what is skipped": (lambda: blown_up(gzip.compress), "200 times its own size"),
    "a bomb of bzip2 in what is skipped": (lambda: blown_up(bz2.compress), "200 times its own size"),
    "a zip of more entries than may be": (lambda: directory_of(60_000), "more than 1000 entries"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_archive_is_refused_soon_and_leaves_nothing(volume_path, jail, name):
    make, said = HOSTILE[name]
    (volume_path / "a").write_bytes(make())
    ceilings = archives.Ceilings(entries=1000)
    with trio.fail_after(SOON), pytest.raises(errors.InvalidArchive, match=said):
        await archiving.extract(jail, parse_path("a"), parse_path("back"), TENANT, ceilings=ceilings)
    assert [path.name for path in volume_path.iterdir()] == ["a"]


async def test_folders_that_entries_need_are_counted(volume_path, jail):
    with tarfile.open(volume_path / "a", "w") as tar:
        for number in range(30):
            tar.addfile(tarfile.TarInfo("/".join([str(number), *"f" * 40])))
    for entries, said in ((1000, "more than 1000 folders"), (2000, None)):
        ceilings = archives.Ceilings(entries=entries)
        refused = nullcontext() if said is None else pytest.raises(errors.InvalidArchive, match=said)
        with refused:
            await archiving.extract(jail, parse_path("a"), parse_path("back"), TENANT, ceilings=ceilings)
    assert sorted(path.name for path in volume_path.iterdir()) == ["a", "back"]


async def test_honest_headers_fit(volume_path, jail):
    with tarfile.open(volume_path / "a", "w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(3):
            info = tarfile.TarInfo("/".join(["n" * 200] * 15) + f"/{number}")
            info.pax_headers = {"comment": "c" * 30_000}
            tar.addfile(info)
    assert await archiving.extract(jail, parse_path("a"), parse_path("back"), TENANT) == 0
    assert len([path for path in (volume_path / "back").rglob("*") if path.is_file()]) == 3


@pytest.mark.parametrize(
    ("limit", "said"),
    [("SECONDS", "more than 1 seconds of CPU time"), ("STEP", "no progress in 1 seconds of CPU time")],
)
async def test_archive_is_refused_when_its_processor_time_is_over(
    volume_path, jail, monkeypatch, limit, said
):
    """In the process itself, as the archiver's own numbers are hours."""
    (volume_path / "f").write_text("x")
    work = (
        "import sys, os\n"
        "from lightd.files import archiver, packing\n"
        f"archiver.{limit} = 1\n"
        "def spin(jail, sources, output, kind, owner, pace):\n"
        "    os.mkdir('begun', dir_fd=jail.root)\n"
        "    try:\n"
        "        pace(1)\n"
        "        while True: pass\n"
        "    finally: os.rmdir('begun', dir_fd=jail.root)\n"
        "packing.compress = spin\n"
        "archiver.main()\n"
    )
    monkeypatch.setattr(archiving, "_COMMAND", (*archiving._COMMAND[:2], "-c", work))
    with trio.fail_after(SOON), pytest.raises(errors.InvalidArchive, match=said):
        await archiving.compress(jail, [parse_path("f")], parse_path("a"), "tar", TENANT)
    assert [path.name for path in volume_path.iterdir()] == ["f"]
    assert archiver.STEP < archiver.SECONDS


async def pack_huge(jail, turn, told):
    await archiving.compress(jail, [parse_path("huge")], parse_path("a"), "zip", TENANT, told, turn)


async def test_archive_is_paused_while_another_volume_has_its_turn(volume_path, jail, monkeypatch):
    monkeypatch.setattr(archiving, "AT_A_TIME", 0.1)
    with (volume_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    share = shares.Share("archives", total=1, each=1, waiting=2, whole=True)
    turn, worked = share.join("first"), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pack_huge, jail, turn, worked.append)
        with trio.fail_after(SOON):
            while not worked:
                await trio.sleep(0.01)
            other = share.join("second")
            await other.wait()
            await trio.sleep(1.5)  # what it had said before is heard
            heard = len(worked)
            await trio.sleep(1.5)
            assert len(worked) == heard
            assert not turn.given
            other.leave()
            while len(worked) < heard + 2:
                await trio.sleep(0.01)
        paused = share.join("second")
        with trio.fail_after(SOON):
            await paused.wait()
        nursery.cancel_scope.cancel()  # while it is paused
    turn.leave()
    assert [path.name for path in volume_path.iterdir()] == ["huge"]


def test_paused_archiver_goes_with_the_daemon(monkeypatch):
    """It waits for a line, and the pipe ends where the daemon does."""
    with Path("/dev/null").open("rb") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        began = time.monotonic()
        with pytest.raises(SystemExit) as gone:
            archiver._pause()
    assert gone.value.code == 128 + signal.SIGTERM
    assert time.monotonic() - began < SOON
