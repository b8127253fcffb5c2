"""Checks which host paths a container can mount, and that Docker has mounted what was checked.

Docker resolves the path of a mount whenever it starts a container, and follows links. A tenant who can write
in a folder can replace a path that another container mounts by a link. Therefore:

1. Every path is checked before a container is created and before each start, against the current
   configuration. Below the allowed folder no link is followed. In the path of the allowed folder itself, a
   link is only followed if it belongs to root or lightd, in a folder that no other user can write.
   If one allowed folder is inside another, the outer one is used.
2. A check remembers the device and the directory entry that it found (``Seen``). When the container runs,
   its mount table (proc(5), mountinfo) shows what Docker mounted; ``check_shown`` compares them.

Everything here blocks: call it in a worker thread.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

from lightd.files.jail import held
from lightd.files.resolve import LOOK

LINKS_FOLLOWED: Final = 40  # as many as the kernel follows (path_resolution(7))
WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

_ESCAPED = re.compile(r"\\([0-7]{3})")


class MountRefused(Exception):  # noqa: N818 - names what was done
    """The path is not allowed, or not the one that was checked. The message has no path of the host."""


class MountMissing(MountRefused):
    """The path is allowed, but does not exist."""


@attrs.frozen
class Seen:
    """The identity of a path: its file system (``major:minor``), and its path in that file system."""

    device: str
    root: str


def look(source: str, target: str, allowed: Sequence[Path]) -> Seen:
    """The identity of ``source``; raises ``MountRefused`` unless it is in ``allowed``, without a link."""
    refused = MountRefused(f"mount: the host path of {target} is not in docker.allowed_mounts")
    try:
        path = _to_path(Path(source), allowed)
        if path is None:
            raise refused
        with held(_open(path)) as found:
            return _identify(found)
    except FileNotFoundError:
        raise MountMissing(f"mount: the host path of {target} does not exist") from None
    except OSError:
        raise refused from None


def _to_path(source: Path, allowed: Sequence[Path]) -> Path | None:
    """The real path of ``source``, below the outermost allowed folder that contains it."""
    for named in sorted(allowed, key=lambda path: len(path.parts)):
        settled = _settle(named)
        for folder in () if settled is None else (named, settled):
            if settled is not None and source.is_relative_to(folder):
                return settled / source.relative_to(folder)
    return None


def _open(path: Path) -> int:
    """A descriptor of ``path``; raises ``OSError`` if a name in it is a link."""
    here = os.open("/", LOOK | os.O_DIRECTORY)
    for number, name in enumerate(path.parts[1:], 2):
        last = number == len(path.parts)
        with held(here):
            here = os.open(name, LOOK if last else LOOK | os.O_DIRECTORY, dir_fd=here)
    if stat.S_ISLNK(os.fstat(here).st_mode):
        os.close(here)
        raise NotADirectoryError(path)
    return here


def _settle(path: Path) -> Path | None:
    """``path`` without links; None if a tenant could have created one of them. Missing names are kept."""
    left, settled, links = list(reversed(path.parts[1:])), Path("/"), 0
    while left:
        name = left.pop()
        if name == "..":
            settled = settled.parent
            continue
        here = settled / name
        try:
            found = here.lstat()
        except FileNotFoundError:
            return here.joinpath(*reversed(left))
        if not stat.S_ISLNK(found.st_mode):
            settled = here
            continue
        links += 1
        if links > LINKS_FOLLOWED or not _is_an_operators(found, settled.stat()):
            return None
        to = Path(here.readlink())
        settled = Path("/") if to.is_absolute() else settled
        left += reversed(to.parts[1:] if to.is_absolute() else to.parts)
    return settled


def _is_an_operators(link: os.stat_result, folder: os.stat_result) -> bool:
    ours = {0, os.geteuid()}
    return {link.st_uid, folder.st_uid} <= ours and not folder.st_mode & WRITABLE_BY_OTHERS


# Mount tables


def _identify(descriptor: int) -> Seen:
    """The identity of an open file: its mount and its path in there; raises ``OSError``."""
    info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    number = next(line.split()[1] for line in info.splitlines() if line.startswith("mnt_id:"))
    path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    for fields in _read_mounts("self"):
        if fields[0] == number:
            beneath = os.path.relpath(path, _unescape(fields[4]))
            return Seen(fields[2], str(Path(_unescape(fields[3])) / beneath))
    raise FileNotFoundError(path)


def check_shown(pid: int, seen: Iterable[Seen]) -> None:
    """Raise ``MountRefused`` unless ``pid`` has all of ``seen`` mounted, each as often as it occurs.

    Raises ``OSError`` if its mount table cannot be read.
    """
    mounts = _read_mounts(str(pid))
    shown = Counter(Seen(fields[2], str(Path(_unescape(fields[3])))) for fields in mounts)
    if not Counter(seen) <= shown:
        raise MountRefused("mount: Docker mounted another path than the one that was checked")


def _read_mounts(process: str) -> list[list[str]]:
    text = Path(f"/proc/{process}/mountinfo").read_bytes().decode(errors="surrogateescape")
    return [line.split(" ") for line in text.split("\n") if line]


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
