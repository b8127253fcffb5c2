"""The folders: free space, permissions, the journal, and how volume sizes are enforced."""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.config.sections import Storage
from lightd.files.quota.btrfs import open_btrfs
from lightd.files.quota.kind import Unsupported
from lightd.files.quota.project import open_project
from lightd.journal.inspection import Inspected, JournalUnreadable, holder, inspect

SLOW: Final = "check the disk: dmesg; findmnt -T for the paths of storage"
PATIENCE: Final = 3.0
MEGABYTE: Final = 1 << 20
LEAST: Final = 512 * MEGABYTE
SCARCE: Final = 0.1
LATE: Final = 60.0
_AREA = Area("storage")


@attrs.frozen
class Room:
    """The size and the free space of a file system, in bytes and inodes."""

    path: str
    size: int
    free: int
    inodes: int
    free_inodes: int


@attrs.frozen
class Folder:
    """A folder of lightd. ``there`` is the nearest existing one: the folder itself or a parent.

    ``begun`` is true if lightd was started here before: then its folders belong to its user.
    ``private`` is true if no other user may enter it: with Docker, files in it may be set-uid.
    """

    key: str
    path: Path
    there: Path
    uid: int
    mode: int
    writable: bool
    begun: bool = False
    private: bool = False


async def look(subject: Subject, tell: Tell) -> None:
    """Check the folders and the journal."""
    assert subject.configuration is not None  # noqa: S101 - this check is skipped without one
    storage = subject.configuration.storage
    shut = subject.configuration.docker.kind.isolated
    private = ("containers_path", "volumes_path") if shut else ()
    read_folders = partial(_read_folders, private=private)
    for read in (read_folders, _read_journal, _read_quota):
        for finding in await trio.to_thread.run_sync(read, storage, subject, abandon_on_cancel=True):
            tell(finding)


def _read_folders(storage: Storage, subject: Subject, *, private: Sequence[str]) -> list[Finding]:
    folders, findings = [], []
    for key in ("base_path", "containers_path", "volumes_path"):
        path: Path = getattr(storage, key)
        there = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
        try:
            state = there.stat()
        except OSError as error:
            text = f"cannot access {there}: {error.strerror}"
            findings.append(_AREA.bad(f"storage.{key}", text, f"correct storage.{key}; ls -ld {there}"))
            continue
        writable = os.access(there, os.W_OK | os.X_OK)
        folders.append(
            Folder(
                f"storage.{key}",
                path,
                there,
                state.st_uid,
                state.st_mode,
                writable,
                os.path.exists(storage.base_path),  # noqa: PTH110 - false for a folder without permission
                key in private,
            )
        )
    rooms: dict[int, Room] = {}
    for folder in folders:
        findings += to_rights(folder, subject.uid)
        if folder.there.is_dir() and os.access(folder.there, os.X_OK):
            told = os.statvfs(folder.there)
            room = Room(
                str(folder.there),
                told.f_blocks * told.f_frsize,
                told.f_bavail * told.f_frsize,
                told.f_files,
                told.f_favail,
            )
            rooms.setdefault(folder.there.stat().st_dev, room)
    return [*findings, *(finding for room in rooms.values() for finding in to_room(room))]


def to_rights(folder: Folder, uid: int) -> Iterator[Finding]:
    """Whether lightd, as this user, can write in a folder, and no other user can. Pure."""
    if not stat.S_ISDIR(folder.mode):
        yield _AREA.bad(
            folder.key, f"{folder.there} is not a folder", f"correct {folder.key}, or move that file"
        )
    elif folder.there != folder.path and (folder.writable or not folder.begun):
        if folder.writable:
            yield _AREA.good(folder.key, f"{folder.path} is created at the first start")
        else:
            mend = f"install -d -m 711 -o <lightd's user> {folder.path}; findmnt -T {folder.there}"
            yield _AREA.bad(folder.key, f"this user cannot create {folder.path}", mend)
    elif folder.mode & stat.S_IWOTH:
        yield _AREA.bad(folder.key, f"every user can write in {folder.path}", f"chmod o-w {folder.path}")
    elif folder.private and folder.mode & 0o077:
        text = f"other users can enter {folder.path}, and a volume may contain set-uid programs"
        yield _AREA.doubtful(folder.key, text, f"chmod 700 {folder.path}; lightd does so at its start")
    elif not folder.writable and folder.uid != uid:
        text = f"{folder.path} belongs to another user ({folder.uid})"
        yield _AREA.unseen(
            folder.key, text, f"run this as lightd's user: sudo -u '#{folder.uid}' lightd doctor"
        )
    elif not folder.writable:
        yield _AREA.bad(
            folder.key,
            f"the owner of {folder.path} cannot write in it",
            f"chmod u+rwx {folder.path}; findmnt -T {folder.path}",
        )
    else:
        yield _AREA.good(folder.key, f"lightd can write in {folder.path}")


def to_room(room: Room) -> Iterator[Finding]:
    """Whether there is free space. Pure; a file system that does not count inodes has 0 of them."""
    text = f"{room.path}: {_to_size(room.free)} of {_to_size(room.size)} free"
    mend = f"find large folders: du -xh -d2 {room.path} | sort -h; or move storage.base_path to a larger disk"
    if room.free < LEAST:
        yield _AREA.bad("space", text, mend)
    elif room.free < SCARCE * room.size:
        yield _AREA.doubtful("space", text, mend)
    else:
        yield _AREA.good("space", text)
    if room.inodes and room.free_inodes < SCARCE * room.inodes:
        text = f"{room.path}: {room.free_inodes} of {room.inodes} inodes free"
        mend = f"find folders with many files: du --inodes -xd2 {room.path} | sort -n"
        few = room.free_inodes < SCARCE * SCARCE * room.inodes
        yield _AREA.bad("inodes", text, mend) if few else _AREA.doubtful("inodes", text, mend)


def _to_size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count // MEGABYTE} MB"


def _read_journal(storage: Storage, subject: Subject) -> list[Finding]:
    path = storage.base_path / "lightd.db"
    try:
        if not path.exists():
            return [_AREA.good("journal", f"{path} is created at the first start")]
        inspected = inspect(path, PATIENCE)
    except (JournalUnreadable, OSError) as why:
        return [_AREA.unseen("journal", f"{path}: {why}", "run this as lightd's user, or with sudo")]
    return list(to_journal(path, inspected, holder(path, subject.proc), subject.now))


def to_journal(path: Path, inspected: Inspected, pid: int | None, now: float) -> Iterator[Finding]:
    """The findings for the journal. Pure."""
    held = "no daemon has it open" if pid is None else f"process {pid} has it open"
    if inspected.damage is not None:
        mend = f"stop lightd; restore a backup, or sqlite3 {path} .recover | sqlite3 new.db; mv new.db {path}"
        yield _AREA.bad("journal", f"{path} is damaged: {inspected.damage}", mend)
    elif inspected.schema > inspected.newest_schema:
        text = f"{path} has schema {inspected.schema}, this lightd supports up to {inspected.newest_schema}"
        yield _AREA.bad("journal", text, "update lightd")
    elif not inspected.complete:
        yield _AREA.good(
            "journal", f"{path}: {inspected.records} events, {held}; too large to check completely"
        )
    else:
        yield _AREA.good("journal", f"{path}: {inspected.records} events, no damage; {held}")
    if inspected.last_at is not None and inspected.last_at > now + LATE:
        text = (
            f"the last event is {inspected.last_at - now:.0f} seconds in the future: the clock was set back"
        )
        yield _AREA.bad("clock", text, "timedatectl set-ntp true")


def _read_quota(storage: Storage, subject: Subject) -> list[Finding]:
    path, image = storage.volumes_path, storage.base_path / "volumes.img"
    there = next((each for each in (path, *path.parents) if os.path.isdir(each)), path)  # noqa: PTH112 - as above
    reasons = []
    kind = None
    for name, opening in (
        ("project", lambda: open_project(str(there))),
        ("btrfs", lambda: open_btrfs(str(there), enable=False)),
    ):
        try:
            opening()
            kind = kind or name
        except (Unsupported, OSError) as why:
            reasons.append(f"{name}: {why}")
    try:
        pooled, mounted = image.exists(), os.path.ismount(path)
    except OSError:
        pooled, mounted = False, False
    return [to_quota(storage, kind, tuple(reasons), root=subject.uid == 0, pooled=pooled, mounted=mounted)]


def to_quota(
    storage: Storage, kind: str | None, reasons: tuple[str, ...], *, root: bool, pooled: bool, mounted: bool
) -> Finding:
    """How the sizes of new volumes will be enforced; the daemon decides it at its start. Pure."""
    if pooled and not mounted:
        text = "the volume pool is not mounted; lightd mounts it at its start, as root"
        return _AREA.doubtful("quota", text, f"findmnt {storage.volumes_path}; systemctl restart lightd")
    if storage.quota == "accounted":
        return _AREA.good("quota", "volume sizes are monitored, not enforced (storage.quota is accounted)")
    if not root:
        text = "only root can set quotas: volume sizes are monitored, not enforced"
        return _AREA.doubtful("quota", text, "run lightd as root")
    if storage.quota == "pool" and not pooled:
        return _AREA.good("quota", f"a volume pool of {storage.pool_mb} MB is created at the next start")
    if kind is not None:
        return _AREA.good("quota", f"the kernel enforces volume sizes ({kind} quotas)")
    text = f"volume sizes are monitored, not enforced ({'; '.join(reasons)})"
    return _AREA.doubtful(
        "quota", text, 'set storage.quota to "pool" and storage.pool_mb, or use a disk with prjquota'
    )
