"""A volume with a canary tree beside it, and all that can be asked of the volume.

The tenant plants what he likes in the volume; whatever is asked of the jail then, the canary must be as it
was, and no answer may hold what it holds.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from lightd.files import copying, deleting, errors, listing, measuring, operations, reading, resolve, uploads
from lightd.files.jail import Jail, Owner, open_jail
from lightd.files.paths import RelativePath, parse_path

SECRET = "the canary sings"
TENANT = Owner(988, 988) if os.geteuid() == 0 else Owner(os.geteuid(), os.getegid())


def unhurried(_: int) -> None:
    """A pace that never ends anything."""


@attrs.frozen
class Scene:
    """A volume, the jail on it, and what lies beside."""

    volume: Path
    outside: Path
    jail: Jail

    def through(self, path: RelativePath) -> Iterator[Callable[[], object]]:
        """The operations that can't be done to ``path`` where it leads out."""
        jail = self.jail
        yield lambda: operations.write_file(jail, path, b"written", TENANT)
        yield lambda: operations.make_folder(jail, path, TENANT)
        yield lambda: listing.list_folder(jail, path)
        yield lambda: download(jail, path)
        yield lambda: operations.change_mode(jail, path, 0o777)
        yield lambda: upload(jail, path, b"uploaded")
        yield lambda: upload(jail, path, b"uploaded", name="again")
        yield lambda: copying.copy(jail, parse_path("honest.txt"), path, TENANT, unhurried)
        yield lambda: copying.copy(jail, path, parse_path("spare"), TENANT, unhurried)
        yield lambda: operations.rename(jail, parse_path("honest.txt"), path, TENANT)

    def answers(self, path: RelativePath) -> Iterator[Callable[[], object]]:
        """Every operation there is, asked of ``path``."""
        jail, spare = self.jail, parse_path("spare/of/the/check")
        yield lambda: operations.write_file(jail, path, b"written", TENANT)
        yield lambda: operations.make_folder(jail, path, TENANT)
        yield lambda: listing.list_folder(jail, path)
        yield lambda: download(jail, path)
        yield lambda: operations.change_mode(jail, path, 0o777)
        yield lambda: upload(jail, path, b"uploaded")
        yield lambda: upload(jail, path, b"uploaded", name="again")
        yield lambda: copying.copy(jail, parse_path("honest.txt"), path, TENANT, unhurried)
        yield lambda: copying.copy(jail, path, spare, TENANT, unhurried)
        yield lambda: listing.list_folder(jail, spare)
        yield lambda: download(jail, spare)
        yield lambda: deleting.delete(jail, [parse_path("spare")], unhurried)
        yield lambda: operations.rename(jail, parse_path("honest.txt"), path, TENANT)
        yield lambda: operations.rename(jail, path, spare, TENANT)
        yield lambda: operations.rename(jail, spare, path, TENANT)
        yield lambda: operations.give_all(jail, TENANT)
        yield lambda: measuring.measure(jail)
        yield lambda: deleting.delete(jail, [path], unhurried)


@contextmanager
def open_scene(folder: Path, resolver: resolve.Resolver) -> Iterator[Scene]:
    """A scene below ``folder``; at its end the canary is untouched, and every descriptor closed."""
    volume, outside = folder / "volume", folder / "outside"
    volume.mkdir()
    for nest in (outside, outside / "nest"):
        nest.mkdir()
        (nest / "canary.txt").write_text(SECRET)
        (nest / "egg.txt").write_text(SECRET)
    before = photograph(outside)
    descriptors = len(held_in(Path("/proc/self/fd")))
    with open_jail(volume, resolver) as jail:
        try:
            yield Scene(volume, outside, jail)
        finally:  # deeper than who cleans up after us can go
            deleting.delete(jail, [RelativePath((name,)) for name in held_in(volume)], unhurried)
    assert len(held_in(Path("/proc/self/fd"))) == descriptors
    assert photograph(outside) == before


def photograph(tree: Path) -> dict[str, tuple[object, ...]]:
    """All that a write could change below ``tree``; one name more for a file changes nothing in it."""
    found = {}
    for path in (tree, *tree.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(state.st_mode) else held_in(path)
        found[str(path)] = (
            state.st_mode,
            state.st_uid,
            state.st_gid,
            state.st_mtime_ns,
            state.st_size,
            content,
        )
    return found


def wipe(volume: Path) -> None:
    for path in volume.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (volume / "honest.txt").write_text("honest")


def download(jail: Jail, path: RelativePath) -> bytes:
    with reading.open_download(jail, path) as file:
        return b"".join(file.pieces())


def upload(jail: Jail, path: RelativePath, content: bytes, name: str | None = None) -> None:
    with uploads.open_upload(jail, path, TENANT, name) as arriving:
        arriving.begin_at(0)
        arriving.write(content)
        arriving.commit(len(content))


def held_in(folder: Path) -> list[str]:
    """The names in ``folder``, those that a listing hides too."""
    return sorted(path.name for path in folder.iterdir())


def refusal(ask: Callable[[], object]) -> type[errors.FileRefused] | None:
    """The refusal that ``ask`` ends in; neither it nor an answer tells anything of what lies outside."""
    try:
        told: object = ask()
    except errors.FileRefused as refused:
        told = refused
    assert not any(word in repr(told) for word in (SECRET, "egg", "/tmp", "/proc"))
    return type(told) if isinstance(told, errors.FileRefused) else None
