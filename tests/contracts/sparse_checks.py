"""What packing and unpacking promise of files with holes: those cost nothing, in the volume or in a tar."""

import io
import os
import random
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import get_args

import attrs
import pytest

from lightd.files import archives, copying, errors, holes, packing, unpacking
from lightd.files.archives import Ceilings
from lightd.files.charging import NOTHING, Amount
from lightd.files.deleting import delete
from lightd.files.paths import parse_path
from tests.support.scene import TENANT, Scene, held_in, unhurried

ARCHIVE = parse_path("the.archive")
MEGABYTE = 1 << 20


@attrs.define
class Meter:
    """A charge that adds up."""

    charged: Amount = NOTHING

    def __call__(self, count: int, entries: int) -> None:
        self.charged += Amount(count, entries)


def compress(scene: Scene, kind: archives.Kind, name: str) -> int:
    return packing.compress(scene.jail, [parse_path(name)], ARCHIVE, kind, TENANT, unhurried)


def extract(scene: Scene, **ceilings: int) -> Amount:
    """Unpack into "back"; return what was charged."""
    meter = Meter()
    jail = attrs.evolve(scene.jail, charge=meter)
    ceiling = Ceilings(**ceilings)
    assert unpacking.extract(jail, ARCHIVE, parse_path("back"), TENANT, unhurried, ceiling) == 0
    return meter.charged


def put(path: Path, size: int, *extents: tuple[int, bytes]) -> None:
    with path.open("wb") as file:
        for at, data in extents:
            file.seek(at)
            file.write(data)
        file.truncate(size)


def allocated(*paths: Path) -> int:
    """Bytes on the disk, those of the files' maps too, which are there once the files are."""
    total = 0
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            total += os.fstat(file.fileno()).st_blocks * 512
    return total


def files_below(path: Path) -> list[Path]:
    return [path for path in sorted(path.rglob("*")) if path.is_file()]


def is_same(one: Path, other: Path) -> bool:
    """Whether both have the same size and data; holes in both are not read."""
    size = one.stat().st_size
    if size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        for start, end in (*holes.data_in(left.fileno(), size), *holes.data_in(right.fileno(), size)):
            if os.pread(left.fileno(), end - start, start) != os.pread(right.fileno(), end - start, start):
                return False
    return True


def check_file_of_two_gigabytes_of_holes_takes_a_few_kilobytes_in_every_tar(scene: Scene) -> None:
    size = (2 << 30) + 5
    put(scene.volume / "f", size, (0, b"begin"), (1 << 30, os.urandom(5000)), (size - 3, b"end"))
    (scene.volume / "f").chmod(0o640)
    os.utime(scene.volume / "f", (1e9, 1e9))
    for kind in archives.kinds():
        if kind == "zip":
            continue
        assert compress(scene, kind, "f") <= 48 << 10
        assert extract(scene).bytes <= 48 << 10
        back = scene.volume / "back/f"
        assert is_same(scene.volume / "f", back)
        assert allocated(back) <= allocated(scene.volume / "f")
        assert (back.stat().st_mode & 0o7777, back.stat().st_mtime) == (0o640, 1e9)


def check_file_of_nothing_but_a_hole_is_packed_and_unpacked(scene: Scene) -> None:
    put(scene.volume / "f", 200 << 30)
    compress(scene, "tar", "f")
    extract(scene)
    assert is_same(scene.volume / "f", scene.volume / "back/f")
    assert allocated(scene.volume / "back/f") == 0


def check_blocks_of_zeros_in_any_archive_become_holes(scene: Scene) -> None:
    content = b"x" + bytes(MEGABYTE) + b"y" * 10_000 + bytes(3 * MEGABYTE)
    with zipfile.ZipFile(scene.volume / "the.archive", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("f", content)
        archive.writestr("zeros", bytes(MEGABYTE + 1))
        archive.writestr("nothing", b"")
    charged = extract(scene)
    back = scene.volume / "back"
    assert (back / "f").read_bytes() == content
    assert (back / "zeros").read_bytes() == bytes(MEGABYTE + 1)
    assert (back / "nothing").read_bytes() == b""
    assert allocated(*files_below(back)) == 4 * 4096
    assert allocated(*files_below(back)) <= charged.bytes <= 64 << 10


def check_holes_count_among_the_bytes_of_an_archive(scene: Scene) -> None:
    put(scene.volume / "f", 10 * MEGABYTE)
    for kind in ("tar", "tar.gz"):
        compress(scene, kind, "f")  # type: ignore[arg-type]  # as above
        extract(scene, bytes=10 * MEGABYTE, ratio=1, ratio_from=20 << 10)
        shutil.rmtree(scene.volume / "back")
        with pytest.raises(errors.InvalidArchive, match="more than"):
            extract(scene, bytes=10 * MEGABYTE - 1)
        assert held_in(scene.volume) == ["f", "the.archive"]


def check_size_in_the_records_is_that_of_what_is_stored(scene: Scene) -> None:
    """Tars with more than 8 GiB of one file's data have it there, and tarfile takes it for the file's."""
    table, data = b"2\n8192\n1000\n50000\n0\n".ljust(512, b"\0"), b"x" * 1000
    records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "f"),
        ("GNU.sparse.realsize", "50000"),
        ("size", str(len(table + data))),
    ]
    for order in (records, records[::-1]):
        info = tarfile.TarInfo("made up")
        info.pax_headers, info.size = dict(order), len(table + data)
        with tarfile.open(scene.volume / "the.archive", "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info, io.BytesIO(table + data))
            tar.addfile(tarfile.TarInfo("after"))
        extract(scene)
        assert held_in(scene.volume / "back") == ["after", "f"]
        assert (scene.volume / "back/f").read_bytes() == bytes(8192) + data + bytes(50_000 - 9192)
        shutil.rmtree(scene.volume / "back")


def plant_sparse(scene: Scene, size: int, *extents: tuple[int, int]) -> None:
    """A tar with a sparse file of that map, and data as it says."""
    info = tarfile.TarInfo("f")
    numbers = ",".join(f"{at},{count}" for at, count in extents)
    info.pax_headers = {"GNU.sparse.size": str(size), "GNU.sparse.map": numbers}
    info.size = max(sum(count for _, count in extents), 0)
    with tarfile.open(scene.volume / "the.archive", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"x" * info.size))
        tar.addfile(tarfile.TarInfo("after"))


def check_map_that_claims_what_can_not_be_refuses_the_archive(scene: Scene) -> None:
    for size, extents in (
        (1 << 62, [(0, 1)]),
        ((256 << 30) + 1, [(0, 1)]),
        (-1, [(0, 0)]),
        (100, [(0, 101)]),
        (100, [(99, 2)]),
        (100, [(50, 10), (0, 10)]),
        (100, [(0, 10), (9, 10)]),
        (100, [(0, 10), (0, 10)]),
        (100, [(20, -10), (30, 10)]),
        (100, [(-1, 10)]),
        (10**30, [(10**29, 1)]),
    ):
        plant_sparse(scene, size, *extents)
        with pytest.raises(errors.InvalidArchive):
            extract(scene)
        assert held_in(scene.volume) == ["the.archive"]


def check_bytes_that_are_scattered_are_charged_by_the_block(scene: Scene) -> None:
    for step, count in ((4096, 1), (8192, 1), (8192, 4097), (6000, 10), (512, 100), (4096, 4095)):
        extents = [(number * step + 4000, count) for number in range(1000)]
        plant_sparse(scene, 1000 * step + 10_000, *extents)
        charged = extract(scene)
        back = files_below(scene.volume / "back")
        assert allocated(*back) <= charged.bytes <= allocated(*back) + (64 << 10), step
        with (scene.volume / "back/f").open("rb") as file:
            for at, length in extents:
                file.seek(at)
                assert file.read(length) == b"x" * length
        shutil.rmtree(scene.volume / "back")


def check_file_of_more_holes_than_a_map_holds_is_packed(scene: Scene) -> None:
    extents = [(number * 16384, b"x" * 4096) for number in range(3 * holes.MOST)]
    put(scene.volume / "f", 1 << 30, *extents)
    compress(scene, "tar", "f")
    assert (scene.volume / "the.archive").stat().st_size < 50 * MEGABYTE
    charged = extract(scene)
    back = scene.volume / "back/f"
    assert is_same(scene.volume / "f", back)
    assert allocated(back) <= min(allocated(scene.volume / "f") + 65_536, charged.bytes)


def check_copy_of_a_file_of_many_holes_is_charged_for_its_map(scene: Scene) -> None:
    put(scene.volume / "f", 1 << 30, *((number * 16384, b"x" * 4096) for number in range(3000)))
    meter = Meter()
    jail = attrs.evolve(scene.jail, charge=meter)
    copying.copy(jail, parse_path("f"), parse_path("copy"), TENANT, unhurried)
    assert allocated(scene.volume / "copy") <= meter.charged.bytes


def check_any_sparse_tree_comes_back_and_is_charged(scene: Scene) -> None:
    dice = random.Random(20)
    for round_ in range(6):
        tree = scene.volume / "tree"
        tree.mkdir()
        for number in range(4):
            size = dice.choice((0, 1, 4096, 70_000, 3 * MEGABYTE, 40 * MEGABYTE)) + dice.choice((0, 0, 511))
            places = sorted(dice.randrange(size) for _ in range(dice.randrange(8))) if size else []
            data = [
                (at, dice.choice((dice.randbytes, bytes))(dice.choice((1, 4096, 50_000)))) for at in places
            ]
            put(tree / str(number), size, *data)
        before = allocated(*files_below(tree))
        for kind in get_args(archives.Kind):
            if kind not in archives.kinds():
                continue
            compress(scene, kind, "tree")
            charged = extract(scene, ratio=10_000)  # a zip has the holes as zeros
            back = files_below(scene.volume / "back")
            assert [path.name for path in back] == held_in(tree)
            assert all(is_same(tree / path.name, path) for path in back), (round_, kind)
            assert allocated(*back) <= min(before, charged.bytes), (round_, kind)
            delete(scene.jail, [parse_path("back")], unhurried)
        delete(scene.jail, [parse_path("tree")], unhurried)
