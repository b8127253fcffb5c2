"""Which paths of the host a container may see, and whether what it sees is what was looked at.

Docker resolves a mount's name by itself whenever it starts a container, and follows links. A tenant who may
write in a folder can put a link there in place of what another container mounts. So:

1. Every path is looked at before a container is made and before each start, against the configuration as it
   is now. Beneath the allowed folder no link is followed. In the allowed folder's own path a link is
   followed only where it is root's or ours, in a folder that nobody else may write in: an operator's.
   Where one allowed folder is in another, the outer one counts.
2. A look remembers which device and which directory entry it found (``Seen``). Once the container runs, its
   table of mounts (proc(5), mountinfo) says what Docker mounted; ``check_shown`` compares.

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
    """The path may not be shown, or isn't what was looked at; ``str()`` names no path of the host."""


class MountMissing(MountRefused):
    """The path may be shown, and isn't there."""


@attrs.frozen
class Seen:
    """What a path is: its file system (``major:minor``), and its path from that file system's root."""

    device: str
    root: str


def look(source: str, target: str, allowed: Sequence[Path]) -> Seen:
    """What ``source`` is now; raises ``MountRefused`` where ``allowed`` doesn't reach it without a link."""
    refused = MountRefused(f"mount: what {target} should show is not among the paths that may be mounted")
    try:
        path = _to_path(Path(source), allowed)
        if path is None:
            raise refused
        with held(_open(path)) as found:
            return _identify(found)
    except FileNotFoundError:
        raise MountMissing(f"mount: what {target} should show does not exist on the host") from None
    except OSError:
        raise refused from None


def _to_path(source: Path, allowed: Sequence[Path]) -> Path | None:
    """``source`` beneath the outermost allowed folder that it is in, as that is without links."""
    for named in sorted(allowed, key=lambda path: len(path.parts)):
        settled = _settle(named)
        for folder in () if settled is None else (named, settled):
            if settled is not None and source.is_relative_to(folder):
                return settled / source.relative_to(folder)
    return None


def _open(path: Path) -> int:
    """A descriptor of ``path``, in which no name is a link; raises ``OSError``."""
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
    """``path`` without links, None where one of them may be a tenant's; what is missing is kept as it is."""
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


# What is mounted


def _identify(descriptor: int) -> Seen:
    """What is open: the mount it was reached through, and its path in there; raises ``OSError``."""
    info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    number = next(line.split()[1] for line in info.splitlines() if line.startswith("mnt_id:"))
    path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    for fields in _read_mounts("self"):
        if fields[0] == number:
            beneath = os.path.relpath(path, _unescape(fields[4]))
            return Seen(fields[2], str(Path(_unescape(fields[3])) / beneath))
    raise FileNotFoundError(path)


def check_shown(pid: int, seen: Iterable[Seen]) -> None:
    """The process ``pid`` sees all of ``seen``, each as often as it's there; else ``MountRefused``.

    Raises ``OSError`` where its mounts can't be read.
    """
    mounts = _read_mounts(str(pid))
    shown = Counter(Seen(fields[2], str(Path(_unescape(fields[3])))) for fields in mounts)
    if not Counter(seen) <= shown:
        raise MountRefused("mount: Docker mounted something else than what was allowed")


def _read_mounts(process: str) -> list[list[str]]:
    text = Path(f"/proc/{process}/mountinfo").read_bytes().decode(errors="surrogateescape")
    return [line.split(" ") for line in text.split("\n") if line]


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
