"""Every crafted archive against a volume: nothing outside changes, and a refusal leaves nothing behind."""

import os
import stat
from pathlib import Path

from lightd.files import errors, unpacking
from lightd.files.archives import Ceilings
from lightd.files.paths import RelativePath, parse_path
from tests.contracts.crafted import craft, mark
from tests.support.scene import SECRET, TENANT, Scene, held_in, photograph, unhurried, wipe

CEILINGS = Ceilings(entries=1000, bytes=64 << 20, ratio=200, ratio_from=1 << 20, depth=64)
LEAST = 200


def check_no_crafted_archive_reaches_out_or_leaves_half_of_itself(scene: Scene) -> None:
    before = photograph(scene.outside)
    attacks = set()
    tried = 0
    for crafted in craft(scene.outside):
        for destination in (RelativePath(), parse_path("back")):
            wipe(scene.volume)
            (scene.volume / "the.archive").write_bytes(crafted.content)
            named = f"{crafted.attack} in a {crafted.kind}"
            try:
                unpacking.extract(
                    scene.jail, parse_path("the.archive"), destination, TENANT, unhurried, CEILINGS
                )
            except errors.FileRefused as refused:
                assert held_in(scene.volume) == ["honest.txt", "the.archive"], named
                assert str(scene.outside) not in str(refused), named  # noqa: PT017 - as above
            look_through(scene.volume, named)
            assert photograph(scene.outside) == before, named
        attacks.add(crafted.attack)
        tried += 1
    assert tried >= LEAST
    assert len(attacks) >= LEAST


def check_crafted_archive_with_the_mark_of_lightd_reaches_no_further(scene: Scene) -> None:
    """Its links can lead anywhere, as those that a tenant makes; nothing is written or read through them."""
    before = photograph(scene.outside)
    tried = 0
    for crafted in map(mark, craft(scene.outside)):
        if crafted is None:
            continue
        wipe(scene.volume)
        (scene.volume / "the.archive").write_bytes(crafted.content)
        named = f"{crafted.attack} in a marked {crafted.kind}"
        try:
            unpacking.extract(scene.jail, parse_path("the.archive"), parse_path("back"), TENANT, unhurried)
        except errors.FileRefused:
            assert held_in(scene.volume) == ["honest.txt", "the.archive"], named
        look_through(scene.volume, named, any_link=True)
        assert photograph(scene.outside) == before, named
        tried += 1
    assert tried >= LEAST


def look_through(volume: Path, named: str, *, any_link: bool = False) -> None:
    """Files, folders and links that stay; no bit that gives power, nothing of the canary's, no part."""
    for folder, folders, files in os.walk(volume):
        for name in folders + files:
            path = Path(folder, name)
            state = path.lstat()
            assert stat.S_IFMT(state.st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK), named
            assert not name.startswith(".lightd-"), named
            if stat.S_ISLNK(state.st_mode):
                assert any_link or os.path.realpath(path).startswith(str(volume)), named
                continue
            assert not state.st_mode & 0o7000, named
            if stat.S_ISREG(state.st_mode) and state.st_size < 1 << 20 and name != "the.archive":
                assert SECRET.encode() not in path.read_bytes(), named
