"""The archiver as the daemon runs it: a process, cancelled by its scope."""

import gc
import os
import tarfile
from functools import partial
from pathlib import Path

import pytest
import trio

from lightd.files import archives, archiving, errors
from lightd.files.charging import Amount
from lightd.files.paths import ROOT, parse_path
from tests.support.scene import TENANT


@pytest.fixture(autouse=True)
def tree_with_a_file(volume_path):
    (volume_path / "tree").mkdir()
    (volume_path / "tree/file").write_bytes(os.urandom(1_000_000))


def names(volume):
    return sorted(path.name for path in volume.iterdir())


@pytest.mark.parametrize("kind", archives.kinds())
async def test_tree_is_packed_and_unpacked_by_a_process_of_its_own(volume_path, jail, kind):
    size = await archiving.compress(jail, [ROOT], parse_path("a"), kind, TENANT)
    assert size == (volume_path / "a").stat().st_size
    assert await archiving.extract(jail, parse_path("a"), parse_path("back"), TENANT) == 0
    assert (volume_path / "back/tree/file").read_bytes() == (volume_path / "tree/file").read_bytes()


async def test_refusal_of_the_process_is_the_callers(volume_path, jail):
    with pytest.raises(errors.NotFound, match='"none" does not exist in the volume'):
        await archiving.extract(jail, parse_path("none"), ROOT, TENANT)
    with pytest.raises(errors.NotFound, match='"none"'):
        await archiving.compress(jail, [parse_path("none")], parse_path("a"), "zip", TENANT)
    (volume_path / "a").write_text("no archive")
    with pytest.raises(errors.InvalidArchive):
        await archiving.extract(jail, parse_path("a"), ROOT, TENANT)
    assert names(volume_path) == ["a", "tree"]


async def test_cancelled_archive_leaves_nothing(volume_path, jail):
    with (volume_path / "tree/huge").open("wb") as file:
        file.truncate(1 << 40)
    heard = trio.Event()
    async with trio.open_nursery() as nursery:

        async def compress():
            await archiving.compress(
                jail, [ROOT], parse_path("a"), "zip", TENANT, lambda count: count > 1 << 20 and heard.set()
            )

        nursery.start_soon(compress)
        with trio.fail_after(30):
            await heard.wait()
        assert len(names(volume_path)) == 2  # the tree and a part
        nursery.cancel_scope.cancel()
    assert names(volume_path) == ["tree"]


async def test_no_archive_leaves_a_descriptor_however_it_ends(volume_path, jail):
    def descriptors():
        return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists())

    await archiving.compress(jail, [ROOT], parse_path("a"), "tar", TENANT)
    before = descriptors()
    with pytest.raises(errors.NotFound) as kept:  # as a job keeps what it failed with, and its frames
        await archiving.extract(jail, parse_path("none"), ROOT, TENANT)
    for number, seconds in enumerate((0, 0.01, 0.1, 0.3)):
        with trio.move_on_after(seconds):
            await archiving.compress(jail, [ROOT], parse_path(f"b{number}"), "tar.gz", TENANT)
    assert descriptors() == before
    assert kept.value.__traceback__ is not None


async def test_archive_that_is_cancelled_while_it_waits_for_room_leaves_no_generator(volume_path, jail):
    class NeverRoom:
        ready = Amount(0, 0)

        def __init__(self):
            self.asked = trio.Event()

        def use(self, _):
            pass

        async def prepare(self, *_):
            self.asked.set()
            await trio.sleep_forever()

    allowance = NeverRoom()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            compress = partial(archiving.compress, jail, [ROOT], parse_path("a"), "tar", TENANT)
            nursery.start_soon(partial(compress, allowance=allowance))
            await allowance.asked.wait()
            nursery.cancel_scope.cancel()
    gc.collect()  # a warning, which is an error, for a generator that was not closed
    assert names(volume_path) == ["tree"]


async def test_archive_outlives_the_thread_that_began_it(volume_path, jail, monkeypatch):
    """The kernel tells a child of the end of the thread that it was made by, not only of its process."""
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 2.0)  # else 10 seconds
    with (volume_path / "tree/huge").open("wb") as file:
        file.truncate(1 << 40)
    worked = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archiving.compress, jail, [ROOT], parse_path("a"), "zip", TENANT, worked.append)
        with trio.fail_after(30):
            while len(worked) < 8:  # half a second each
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert names(volume_path) == ["tree"]


async def test_archive_that_would_fill_the_memory_is_refused_by_the_process(volume_path, jail):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 3 << 30  # read as one piece by tarfile
    with (volume_path / "a").open("wb") as file:
        file.write(header.tobuf())
        file.truncate(4 << 30)
    with pytest.raises(errors.InvalidArchive):
        await archiving.extract(jail, parse_path("a"), parse_path("back"), TENANT)
    assert names(volume_path) == ["a", "tree"]
