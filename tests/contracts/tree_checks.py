"""What goes into one of lightd's archives comes out again: any tree, in every format, down to the byte."""

import contextlib
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lightd.files import archives, errors, packing, unpacking
from lightd.files.deleting import delete
from lightd.files.paths import ROOT, RelativePath, parse_path
from tests.support import soak
from tests.support.scene import TENANT, Scene, held_in, unhurried

ARCHIVE = parse_path("the.archive")
ROOT_USER = os.geteuid() == 0

NAMES = [
    b"a", b"b.txt", b"\\x", b"d:x", b"..\\x", b"C:\\x", b"a\\..\\b", b"caf\xe9", b"caf\xe8", b"caf\xc3\xa9",
    b"a\\b", b"cafe\xcc\x81", b"\xff\xfe", b"\xc0\xaf", b"line\nbreak", b"tab\t", b" ", b"trailing ", b"-rf",
    b"~", b"...", b"..a", b"%2e%2e", b"\x01\x7f", b"\xef\x83\xa9", b"\xe9\x9b\xaa", b"\xf0\x9f\x8e\xb2",
    b"n" * 255, b"\xe9" * 255, b"GNUSparseFile.0", b"@PaxHeader", b"f" * 101, b"\xc3\x9c" * 100, b"F", b"f",
    b"\xcc.zip", b"=", b"0",
]  # fmt: skip
TARGETS = [
    b"a", b"../a", b"../../..", b"/", b"/etc/passwd", b"/home/container/x", b"not-there", b".", b"..",
    b"a//b/./c/", b"\xff", b"\\x", b"line\nbreak", b"t" * 150, b"\xc3\x9c" * 120, b"l" * 4000, b"C:\\x", b" ",
]  # fmt: skip
MODES = [0o644, 0o600, 0o755, 0o777, 0o444, 0o640, *([0o000, 0o100, 0o007] if ROOT_USER else [])]
FOLDER_MODES = [0o755, 0o700, 0o777, *([0o555, 0o000, 0o711] if ROOT_USER else [])]
SECOND = 10**9
MOMENTS = [
    *(0, 1, -1, -1_500_000_000, 999_999_999, SECOND, 1_700_000_000 * SECOND, 2**31 * SECOND),
    *(1_711_846_799 * SECOND, 1_729_994_400 * SECOND, 315_532_800 * SECOND + 5, (2**33 + 1) * SECOND + 1),
    1_700_000_001 * SECOND + 123_456_789,
]


def picture(top: Path) -> dict[bytes, tuple[object, ...]]:
    """All that must come back of what is below ``top``: names, types, modes, times, contents, targets."""
    found: dict[bytes, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for name in folders + files:
            path = os.path.join(folder, name)
            state = os.lstat(path)
            rest: object = None
            if stat.S_ISLNK(state.st_mode):
                rest = os.readlink(path)
            elif stat.S_ISREG(state.st_mode):
                rest = Path(os.fsdecode(path)).read_bytes() if state.st_size < 8 << 20 else state.st_size
            mode = 0 if stat.S_ISLNK(state.st_mode) else state.st_mode & ~0o7000
            shown = os.path.relpath(path, os.fsencode(top))
            found[shown] = stat.S_IFMT(state.st_mode), mode, state.st_mtime_ns, rest
    return found


def grow(top: Path, dice: random.Random) -> None:
    """A random tree at ``top``, whose times and modes are set last."""
    top.mkdir()
    folders = [os.fsencode(top)]
    made: list[bytes] = []
    for _ in range(dice.choice((0, 1, 3, 8, 20))):
        path = os.path.join(dice.choice(folders), dice.choice(NAMES))
        if len(path) > 3000 or os.path.lexists(path):
            continue
        made.append(path)
        kind = dice.choice(("file", "file", "file", "folder", "folder", "link"))
        if kind == "folder":
            os.mkdir(path)
            folders.append(path)
        elif kind == "link":
            os.symlink(dice.choice(TARGETS), path)
        else:
            write_some(path, dice)
    for path in reversed(made):
        moment = dice.choice(MOMENTS) + dice.choice((0, dice.randrange(10**9)))
        if not os.path.islink(path):
            os.chmod(path, dice.choice(FOLDER_MODES if os.path.isdir(path) else MODES))
        os.utime(path, ns=(moment, moment), follow_symlinks=False)


def write_some(path: bytes, dice: random.Random) -> None:
    with open(path, "wb") as file:
        for _ in range(dice.choice((0, 1, 1, 2))):
            size = dice.choice((1, 511, 512, 513, 4096, 70_000))
            file.write(
                dice.choice((dice.randbytes, bytes, lambda n: b"the same line\n" * (n // 14 + 1)))(size)
            )
            if dice.random() < 0.2:
                file.seek(dice.choice((4096, 100_000, 1 << 20)), os.SEEK_CUR)
        file.truncate()


def there_and_back(scene: Scene, kind: archives.Kind, source: RelativePath, **how: bool) -> Path:
    """Pack ``source``, unpack it into an empty folder, and return that."""
    packing.compress(scene.jail, [source], ARCHIVE, kind, TENANT, unhurried, **how)
    back = RelativePath(("back",))
    assert unpacking.extract(scene.jail, ARCHIVE, back, TENANT, unhurried) == 0
    return scene.volume / "back"


def clear(scene: Scene, *names: str) -> None:
    paths = [RelativePath((name,)) for name in names if name in held_in(scene.volume)]
    delete(scene.jail, paths, unhurried)


def same_again(scene: Scene, name: str = "tree", kinds: tuple[archives.Kind, ...] = archives.kinds()) -> None:
    before = picture(scene.volume)
    before = {path: rest for path, rest in before.items() if path.split(b"/")[0] == os.fsencode(name)}
    for kind in kinds:
        back = there_and_back(scene, kind, RelativePath((name,)))
        after = picture(back)
        assert after == before, (kind, set(after.items()) ^ set(before.items()))
        clear(scene, "back", "the.archive")


def check_any_tree_comes_back_from_every_format(scene: Scene) -> None:
    """2,000 of them in ``nox -s soak``."""
    for number in range(soak.times(200) if FULL else 40):
        grow(scene.volume / "tree", random.Random(number))
        try:
            same_again(scene)
        except BaseException:
            print(f"the tree of seed {number}")  # noqa: T201 - repeats it
            raise
        clear(scene, "tree")


def plant_names(tree: Path) -> None:
    for name in NAMES:
        (tree / os.fsdecode(name)).write_bytes(name)


FULL = soak.FACTOR > 1
"""Trees as large as they were seen; otherwise the limits for foreign archives are as much smaller."""

SMALL = archives.Ceilings(entries=500, bytes=256 << 10, ratio=20, ratio_from=64 << 10, depth=64)


def plant_repeating_log(tree: Path) -> None:
    line = b"[12:00:00] [Server thread/WARN]: Can't keep up!\n"
    (tree / "log").write_bytes(line * (2_500_000 if FULL else 10_000))


def plant_databases(tree: Path) -> None:
    for number in range(4):
        with (tree / f"{number}.db").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (128 << 20) if FULL else (1 << 20))
            file.write(b"database")


def plant_many_files(tree: Path) -> None:
    for number in range(201 if FULL else 6):
        folder = tree / str(number)
        folder.mkdir()
        for each in range(1000 if FULL else 100):
            (folder / str(each)).touch()


def plant_levels(tree: Path) -> None:
    deep = tree.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")


def plant_links(tree: Path) -> None:
    (tree / ".steam").mkdir()
    (tree / ".steam/sdk64").symlink_to("/home/container/linux64")
    (tree / ".steam/sdk32").symlink_to("../linux32")
    (tree / "out").symlink_to("/etc")
    (tree / "up").symlink_to("../../..")


def plant_huge_hole(tree: Path) -> None:
    with (tree / "hole").open("wb") as file:
        file.truncate((300 << 30) if FULL else (4 << 20))


TREES: list[Callable[[Path], None]] = [
    plant_names,
    plant_repeating_log,
    plant_databases,
    plant_many_files,
    plant_levels,
    plant_links,
    plant_huge_hole,
]


def check_trees_of_real_servers_come_back_from_every_format(scene: Scene) -> None:
    """Each exceeds a limit for foreign archives, or has names or links that other programs do not restore."""
    for plant in TREES:
        (scene.volume / "tree").mkdir()
        plant(scene.volume / "tree")
        with pytest.MonkeyPatch.context() as patch:
            if not FULL:
                patch.setattr(unpacking, "CEILINGS", SMALL)
            kinds = archives.kinds()
            if FULL and plant is plant_huge_hole:
                kinds = ("tar", "tar.gz")  # a zip has it as zeros
            same_again(scene, kinds=kinds)
        clear(scene, "tree")


def check_tree_that_cannot_be_unpacked_is_not_packed(scene: Scene) -> None:
    def refuse(match: str, sources: tuple[str, ...] = ("tree",)) -> None:
        paths = [parse_path(source) for source in sources]
        for kind in archives.kinds():
            with pytest.raises((errors.TooDeep, errors.InvalidArchive, errors.NotAllowed), match=match):
                packing.compress(scene.jail, paths, ARCHIVE, kind, TENANT, unhurried)
            assert "the.archive" not in held_in(scene.volume)

    long = ["n" * 255] * 16
    here = os.open(scene.volume, os.O_RDONLY)
    for name in ["tree", *long, "end"]:
        os.mkdir(name, dir_fd=here)
        there = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)
    refuse('A path has more than 4095 bytes: "tree/n')
    clear(scene, "tree")
    scene.volume.joinpath("tree", *["d"] * 129).mkdir(parents=True)
    refuse('The tree has more than 128 levels: "tree/d/')
    clear(scene, "tree")
    scene.volume.joinpath("tree", *["d"] * 260).mkdir(parents=True)
    refuse('The volume has more than 256 levels: "tree/d/', ("/".join(["tree", *["d"] * 200]),))
    clear(scene, "tree")
    part = ".lightd-0123456789abcdef.temp"
    (scene.volume / part).mkdir()
    refuse("is a temporary file", (part,))


def check_archive_of_too_many_entries_is_refused_when_it_is_made(scene: Scene) -> None:
    (scene.volume / "tree").mkdir()
    for number in range(100):
        (scene.volume / f"tree/{number:03}").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "REMEMBERED", 50_000)
        for kind in archives.kinds():
            with pytest.raises(errors.InvalidArchive, match=r'too many files for one archive, up to "tree/0'):
                packing.compress(scene.jail, [parse_path("tree")], ARCHIVE, kind, TENANT, unhurried)


def check_whole_volume_leaves_earlier_archives_out_and_replaces_none(scene: Scene) -> None:
    (scene.volume / "file").write_text("content")
    for kind in archives.kinds():
        for name in (f"kept.{kind}", f"world/kept.{kind}"):
            packing.compress(scene.jail, [parse_path("file")], parse_path(name), kind, TENANT, unhurried)
    (scene.volume / "fake.zip").write_bytes(b"PK\x03\x04")
    (scene.volume / "fake.gz").write_bytes(b"\x1f\x8b")
    kept = picture(scene.volume)
    for kind in archives.kinds():
        for name in ("all", "backups/all"):
            path = parse_path(f"{name}.{kind}")
            packing.compress(scene.jail, [ROOT], path, kind, TENANT, unhurried, whole=True)
            before = (scene.volume / str(path)).read_bytes()
            with pytest.raises(errors.Exists, match=f'"{path}" exists already'):
                packing.compress(scene.jail, [ROOT], path, kind, TENANT, unhurried, whole=True)
            assert (scene.volume / str(path)).read_bytes() == before
    with contextlib.suppress(FileNotFoundError):
        (scene.volume / "the.archive").unlink()
    for kind in archives.kinds():
        back = there_and_back(scene, kind, ROOT, whole=True)
        after = picture(back)
        after.pop(b"backups", None)
        assert {path: rest[3] for path, rest in after.items()} == {
            path: rest[3] for path, rest in kept.items()
        }
        shutil.rmtree(back)
        (scene.volume / "the.archive").unlink()


def check_mark_of_lightd_lifts_no_limit_that_was_given(scene: Scene) -> None:
    (scene.volume / "tree").mkdir()
    for number in range(20):
        (scene.volume / f"tree/{number}").write_text("x")
    for kind in archives.kinds():
        packing.compress(scene.jail, [parse_path("tree")], ARCHIVE, kind, TENANT, unhurried)
        with pytest.raises(errors.InvalidArchive, match="more than 10 entries"):
            unpacking.extract(
                scene.jail, ARCHIVE, parse_path("back"), TENANT, unhurried, archives.Ceilings(entries=10)
            )
        assert held_in(scene.volume) == ["the.archive", "tree"]
