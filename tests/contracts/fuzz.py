"""Random paths and archive entries in a volume full of hostile links: ``python -m tests.contracts.fuzz``.

Each string is read as a client's path (found, read, written, listed on a real disk) or staged as an entry of
an archive. What is found must be beneath the volume, going by what the kernel says of the descriptor; the
canary beside it must be as it was. ``--seed`` repeats a run.
"""

import argparse
import io
import os
import random
import stat
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import attrs

from lightd.files import errors, listing, operations, resolve
from lightd.files.archives import Ceilings
from lightd.files.deleting import delete
from lightd.files.jail import FOLDER, explained, held, make_folder_at, open_contents
from lightd.files.paths import ROOT, RelativePath, parse_folder, parse_name
from lightd.files.staging import Staging, place, stays_inside
from tests.support.scene import SECRET, TENANT, Scene, open_scene, unhurried, wipe

NAMES = [
    "a",
    "b",
    "d",
    "f",
    "out",
    "up",
    "loop",
    "in",
    "far",
    "deep",
    "canary.txt",
    "nest",
    "outside",
    "é",
    "雪",
]
TRICKS = [
    "..", ".", "", "...", ". .", "..\\", "\\", "..\\..", "C:", "c:", "C:\\", "\0", "\n", "\x7f", "%2e%2e",
    "%2f", "\uff0e\uff0e", "\u2215", "\u2024\u2024", "..\u200b", "\udcff", "\udce9..", "~", "$HOME", "*",
    "-rf", "con", "n" * 255, "n" * 256, "proc", "self", "root", "fd", "0", "..;", "\u202e", " ..", ".. ",
    "..%00", "\t..",
]  # fmt: skip
EVERY = 400
"""So many strings are tried on one volume before it is made anew."""


@attrs.define
class Fuzzer:
    """One run; ``told`` counts what became of the strings."""

    scene: Scene
    random: random.Random
    told: Counter[str] = attrs.field(factory=Counter)

    def text(self) -> str:
        """A string that may be a path, as a hostile client would have it."""
        rand = self.random
        if rand.random() < 0.05:
            return "".join(chr(rand.choice((rand.randrange(256), rand.randrange(0x800)))) for _ in range(9))
        parts = [
            rand.choice(NAMES) if rand.random() < 0.7 else rand.choice(TRICKS)
            for _ in range(rand.choice((1, 1, 2, 3, 5, 9)))
        ]
        text = rand.choice(("/", "/", "/", "//", "/./", "\\")).join(parts)
        if rand.random() < 0.08:
            text = rand.choice(("/", "\\", "//", "C:", "./", str(self.scene.outside) + "/")) + text
        return text

    def plant(self) -> None:
        """The tenant's links, anew."""
        volume, outside = self.scene.volume, self.scene.outside
        delete(self.scene.jail, [RelativePath((path.name,)) for path in volume.iterdir()], unhurried)
        wipe(volume)
        (volume / "d/deep").mkdir(parents=True)
        (volume / "f").write_text("honest")
        (volume / "in").symlink_to("d")
        (volume / "loop").symlink_to("loop")
        (volume / "out").symlink_to(outside)
        (volume / "up").symlink_to("../outside")
        (volume / "far").symlink_to("/proc/self/root")
        (volume / "d/deep/up").symlink_to("../../../outside")
        (volume / "d/out").symlink_to(outside / "canary.txt")
        os.mkfifo(volume / "a")

    def try_path(self) -> None:
        text = self.text()
        try:
            path = parse_folder(text)
            check_names(path)
            what = self._use(path)
        except errors.FileRefused as refused:
            assert str(self.scene.outside.parent) not in str(refused), text  # noqa: PT017 - most end so
            what = refused.code
        self.told[f"path: {what}"] += 1

    def _use(self, path: RelativePath) -> str:
        jail = self.scene.jail
        if path.parts and self.random.random() < 0.03:
            operations.write_file(jail, path, b"written", TENANT)
            return "written"
        with explained(path), held(jail.find(path)) as found:
            where = str(Path(f"/proc/self/fd/{found}").readlink())
            assert where == str(self.scene.volume) or where.startswith(f"{self.scene.volume}/"), (path, where)
            mode = os.fstat(found).st_mode
            if stat.S_ISREG(mode):
                with held(open_contents(found, path)) as contents:
                    assert SECRET.encode() not in os.read(contents, 100), path
                return "read"
        if stat.S_ISDIR(mode) and self.random.random() < 0.1:
            assert "egg.txt" not in repr(listing.list_folder(jail, path))
            return "listed"
        return "found"

    def try_entries(self, count: int) -> None:
        """``count`` entries of one archive: all that are no reason to refuse it, into their place."""
        jail = self.scene.jail
        with held(make_folder_at(jail.root, ".lightd-0123456789abcdef.part", None)) as folder:
            staging = Staging(
                attrs.evolve(jail, root=folder), TENANT, unhurried, Ceilings(entries=count), 1 << 30
            )
            for _ in range(count):
                try:
                    what = self._stage(staging)
                except errors.FileRefused as refused:
                    what = refused.code
                except OSError as error:
                    what = os.strerror(error.errno or 0)
                self.told[f"entry: {what}"] += 1
            with suppress(OSError, errors.FileRefused):
                staging.make_links()
            with (
                held(os.open(".", FOLDER, dir_fd=folder)) as source,
                held(os.open(".", FOLDER, dir_fd=jail.root)) as target,
                suppress(errors.FileRefused),
                explained(ROOT),
            ):
                place(source, target, ROOT)

    def _stage(self, staging: Staging) -> str:
        path = parse_name(self.text())
        check_names(path)
        if not staging.admits(path):
            return "left out"
        kind = self.random.choice(("file", "file", "folder", "link", "hard link"))
        if kind == "file":
            staging.add_file(path, 0o7777, 10**18, io.BytesIO(b"planted"))
        elif kind == "folder":
            staging.add_folder(path, 0o7777)
        elif kind == "link":
            target = self.text()
            staging.add_link(path, target)
            if stays_inside(path, target):
                meant = os.path.normpath("/".join(("/top", *path.parts[:-1], target)))
                assert meant == "/top" or meant.startswith("/top/"), (path, target)
        else:
            staging.add_hard_link(path, parse_name(self.text()))
        return kind


def check_names(path: RelativePath) -> None:
    """No name in it means anything but itself to the kernel."""
    for part in path.parts:
        assert part not in ("", ".", ".."), path
        assert "/" not in part, path
        assert "\0" not in part, path


def fuzz(scene: Scene, count: int, seed: int) -> Counter[str]:
    """Try ``count`` strings; return what became of how many."""
    fuzzer = Fuzzer(scene, random.Random(seed))
    for _ in range(0, count, EVERY):
        fuzzer.plant()
        for _ in range(EVERY // 2):
            fuzzer.try_path()
        fuzzer.try_entries(EVERY // 2)
    return fuzzer.told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--walk", action="store_true", help="without openat2")
    arguments = parser.parse_args()
    print(f"{arguments.count:,} strings with --seed {arguments.seed}", flush=True)
    resolver = resolve.by_walking if arguments.walk else resolve.best()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), resolver) as scene:
        told = fuzz(scene, arguments.count, arguments.seed)
    for what, times in told.most_common():
        print(f"{times:9,} {what}")
    print(f"{sum(told.values()):9,} in {time.perf_counter() - begun:.0f} s; the canary is as it was")


if __name__ == "__main__":
    sys.exit(main())
