"""A pool: one image file on the host's disk, with a btrfs in it, mounted where the volumes are.

- The image is allocated in whole when it is made. So it can't fill the host later, and no write in it fails
  because the host is full. It is refused where it would leave the host less than ``RESERVE`` of its disk.
- It is made under another name and renamed when it is complete: a crash leaves nothing that counts.
- It is mounted over an empty folder only: without the pool a volume is missing, rather than empty. It is as
  shut as that folder: a new filesystem lets everybody list it.
- It is mounted where Docker sees it: not in a mount namespace that a sandbox gave to the daemon alone.
- It stays mounted when the daemon ends: its servers run on.
- Where the image is, it is mounted, whatever the configuration says by now: there are volumes in it.
- It grows at a start whose configuration asks for more, with its servers running. It never shrinks.
"""

import fcntl
import os
import re
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from lightd.files.jail import FOLDER, held
from lightd.files.quota import btrfs_calls
from lightd.files.quota.kind import MEGABYTE, Unsupported

RESERVE: Final = 0.05
"""The part of the host's disk that a pool leaves free."""

OPTIONS: Final = "loop,nodev,nosuid,noatime,nodiscard"  # discarding would give back what was allocated

_SET_CAPACITY = 0x4C07  # of a loop device: as large as its file by now
_PATIENCE = 120.0


@attrs.frozen
class Pool:
    """The image file, and the folder ``target`` where it is to be mounted; absolute, without links."""

    image: Path
    target: Path

    def open(self, size_mb: int) -> None:
        """The pool is mounted and at least that large; 0 leaves an image as it is, and makes none.

        Raises ``Unsupported``.
        """
        try:
            self._open(size_mb)
        except subprocess.TimeoutExpired as slow:
            raise Unsupported(f"{slow.cmd[0]} does not come to an end") from None
        except OSError as error:
            raise Unsupported(str(error.strerror or error)) from None

    def _open(self, size_mb: int) -> None:
        with suppress(FileNotFoundError):
            self._unfinished.unlink()
        made = False
        if not self.image.exists():
            if size_mb == 0:
                return
            if os.geteuid() != 0:
                raise Unsupported("only root may mount it")
            self._make(size_mb)
            made = True
        try:
            self._bring_up(size_mb)
        except (Unsupported, OSError, subprocess.TimeoutExpired):
            if made:  # there is nothing in it, and it would take the place of volumes
                self.image.unlink()
            raise

    def _bring_up(self, size_mb: int) -> None:
        grows = size_mb * MEGABYTE > self.image.stat().st_size
        if grows:
            self._allocate(self.image, size_mb * MEGABYTE)
        device = self.device()
        if device is None:
            self._mount()
        elif grows:
            with held(os.open(device, os.O_RDWR | os.O_CLOEXEC)) as opened:
                fcntl.ioctl(opened, _SET_CAPACITY)
        with held(os.open(self.target, FOLDER)) as top, suppress(PermissionError):  # the host mounted it
            btrfs_calls.fill_device(top)  # whether or not it was grown by a daemon that then was killed

    @property
    def _unfinished(self) -> Path:
        return self.image.with_name(f"{self.image.name}.new")

    def device(self) -> str | None:
        """The loop device through which the pool is mounted, None where it isn't.

        Raises ``Unsupported`` where something else is mounted there.
        """
        mount = _mount_of(self.target)
        if mount.point != str(self.target):
            return None
        backing = Path("/sys/class/block", os.path.basename(mount.source), "loop/backing_file")
        if not backing.exists() or backing.read_text().rstrip("\n") != str(self.image):
            raise Unsupported("something else is mounted in the place of the pool")
        return mount.source

    def _check_place(self) -> None:
        """Raise ``Unsupported`` where the pool would hide something, or be hidden from Docker."""
        if os.listdir(self.target):
            raise Unsupported("the folder of the volumes is not empty, and would be hidden by the pool")
        if _mount_of(self.target).received:
            raise Unsupported("lightd has a mount namespace of its own, and Docker would not see the pool")

    def _make(self, size_mb: int) -> None:
        self._check_place()
        self._allocate(self._unfinished, size_mb * MEGABYTE)
        _run("mkfs.btrfs", "-q", "--nodiscard", str(self._unfinished))
        self._unfinished.rename(self.image)
        with held(os.open(self.image.parent, FOLDER)) as folder:
            os.fsync(folder)

    def _allocate(self, file: Path, size: int) -> None:
        there = file.stat().st_size if file.exists() else 0
        disk = shutil.disk_usage(file.parent)
        room = int(disk.free - disk.total * RESERVE) // MEGABYTE
        if (size - there) // MEGABYTE > room:
            raise Unsupported(f"the disk has room for {max(room, 0)} MB of it")
        with held(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as image:
            os.posix_fallocate(image, 0, size)
            os.fsync(image)

    def _mount(self) -> None:
        self._check_place()
        mode = stat.S_IMODE(os.stat(self.target).st_mode)
        _run("mount", "-t", "btrfs", "-o", OPTIONS, str(self.image), str(self.target))
        os.chmod(self.target, mode)


def _run(*command: str) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603 - ours, without a shell
    except FileNotFoundError:
        raise Unsupported(f"there is no {command[0]} on this host") from None
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise Unsupported(f"{command[0]} failed: {said[-1] if said else ended.returncode}")


@attrs.frozen
class _Mount:
    """A line of mountinfo (proc(5)); ``received`` where its mounts come from another namespace."""

    point: str
    source: str
    received: bool


def _mount_of(path: Path) -> _Mount:
    """The mount that ``path`` is in; of several in one place, the last one is on top."""
    mounts = map(_to_mount, Path("/proc/self/mountinfo").read_text().splitlines())
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    deepest = max(len(mount.point) for mount in above)
    return [mount for mount in above if len(mount.point) == deepest][-1]


def _to_mount(line: str) -> _Mount:
    before, _, after = line.partition(" - ")
    _, _, _, _, point, _, *peers = before.split(" ")
    text = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
    return _Mount(text, after.split(" ")[1], any(peer.startswith("master:") for peer in peers))
