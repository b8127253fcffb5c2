"""Archives of other programs: unpacked by lightd, they are what the program's own extractor makes of them."""

import os
import random
import shutil
import stat
import subprocess
import sys

import pytest

from lightd.files import unpacking
from lightd.files.paths import parse_path
from tests.support import soak
from tests.support.scene import TENANT, unhurried

NAMES = ["a", "b.txt", "é", "雪", "a b", "-rf", "n" * 150, "Ω.log", "x.jar", "10:30", "ü" * 60]
PROGRAMS = {  # what packs, what unpacks, whether Unix permissions are in it
    "zip": (["zip", "-qry", "ARCHIVE.zip", "."], ["unzip", "-qq", "ARCHIVE.zip"], True),
    "7z": (["7z", "a", "-bd", "-snl", "ARCHIVE.zip", "."], ["7z", "x", "-bd", "-snl", "ARCHIVE.zip"], True),
    "bsdtar": (["bsdtar", "-cf", "ARCHIVE.tar", "."], ["bsdtar", "-xpf", "ARCHIVE.tar"], True),
    "bsdtar as zip": (
        ["bsdtar", "--format=zip", "-cf", "ARCHIVE.zip", "."],
        ["bsdtar", "-xpf", "ARCHIVE.zip"],
        True,
    ),
    "GNU tar with xz": (["tar", "-cJf", "ARCHIVE.tar.xz", "."], ["tar", "-xpf", "ARCHIVE.tar.xz"], True),
    "GNU tar, PAX": (
        ["tar", "--format=posix", "-czf", "ARCHIVE.tgz", "."],
        ["tar", "-xpf", "ARCHIVE.tgz"],
        True,
    ),
    "Python": (
        [sys.executable, "-m", "zipfile", "-c", "ARCHIVE.zip", "."],
        [sys.executable, "-m", "zipfile", "-e", "ARCHIVE.zip", "."],
        False,
    ),
    "Java": (["jar", "cfM", "ARCHIVE.jar", "."], ["jar", "xf", "ARCHIVE.jar"], False),
}


DECOMPOSED = "e\u0301"
"""bsdtar composes such a name while it unpacks; lightd keeps its bytes."""


def grow(top, dice, links, names):
    folders = [top]
    for _ in range(dice.randrange(1, 12)):
        path = dice.choice(folders) / dice.choice(names)
        if path.exists() or path.is_symlink():
            continue
        kind = dice.choice(("file", "file", "folder", *(("link",) if links else ())))
        if kind == "folder":
            path.mkdir()
            folders.append(path)
        elif kind == "link":
            path.symlink_to(dice.choice(("a", "not-there", "b.txt")))
        else:
            path.write_bytes(dice.choice((dice.randbytes, bytes))(dice.choice((0, 1, 512, 70_000))))
            path.chmod(dice.choice((0o644, 0o600, 0o755)))
            os.utime(path, (1_700_000_000 + 2 * dice.randrange(10**6),) * 2)


def picture(top, permissions):
    found = {}
    for path in top.rglob("*"):
        state = path.lstat()
        rest = ()
        if path.is_symlink():
            rest = (str(path.readlink()),)
        elif path.is_file():
            rest = path.read_bytes(), int(state.st_mtime) if permissions else None
        if permissions and not path.is_symlink():
            rest += (stat.S_IMODE(state.st_mode),)
        found[str(path.relative_to(top))] = stat.S_IFMT(state.st_mode), *rest
    return found


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(soak.times(4)))
@pytest.mark.parametrize("program", PROGRAMS)
def test_archive_of_another_program_is_unpacked_as_by_its_own_extractor(
    volume_path, jail, tmp_path, program, seed
):
    pack, unpack, permissions = PROGRAMS[program]
    for tool in (pack[0], unpack[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    tree, own = tmp_path / "tree", tmp_path / "own"
    tree.mkdir()
    own.mkdir()
    names = NAMES if pack[0] == "bsdtar" else [*NAMES, DECOMPOSED]
    grow(tree, random.Random(seed), permissions, names)
    if not list(tree.iterdir()):
        (tree / "a").mkdir()
    name = next(word for word in pack if word.startswith("ARCHIVE"))
    archive = tmp_path / name
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "JAVA_TOOL_OPTIONS": "-Dsun.jnu.encoding=UTF-8"}
    for command, where in ((pack, tree), (unpack, own)):
        words = [str(archive) if word == name else word for word in command]
        done = subprocess.run(
            words, cwd=where, env=environment, umask=0o022, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    shutil.copy(archive, volume_path / name)
    assert unpacking.extract(jail, parse_path(name), parse_path("back"), TENANT, unhurried) == 0
    assert picture(volume_path / "back", permissions) == picture(own, permissions)
