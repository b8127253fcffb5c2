"""The volume pool: one image file with a btrfs file system, mounted as the folder of volumes.

- The image is allocated completely when it is created. So it cannot fill the host later, and no write in it
  fails because the host is full. It is rejected if less than ``RESERVE`` of the host's disk would stay free.
- It is created under another name and renamed when it is complete: after a crash there is no incomplete pool.
- It is only mounted on an empty folder: without the pool a volume is missing, instead of empty. It gets the
  mode of that folder, because all users can list a new file system.
- It is only mounted where Docker can see it, not in a mount namespace of the daemon's own.
- It stays mounted when the daemon exits, because its servers keep running.
- If the image exists, it is mounted whatever the configuration says, because it contains volumes.
- It is enlarged at a start if the configuration asks for it, while its servers run. It never shrinks.
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

OPTIONS: Final = "loop,nodev,nosuid,noatime,nodiscard"  # discard would free what was allocated

_SET_CAPACITY = 0x4C07  # sets the size of a loop device to that of its file
_PATIENCE = 120.0


@attrs.frozen
class Pool:
    """The image file, and the folder ``target`` where it is mounted; both absolute, without links."""

    image: Path
    target: Path

    def open(self, size_mb: int) -> None:
        """Mount the pool, with at least that size; 0 mounts an existing image, and creates none.

        Raises ``Unsupported``.
        """
        try:
            self._open(size_mb)
        except subprocess.TimeoutExpired as slow:
            raise Unsupported(f"{slow.cmd[0]} does not end") from None
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
                raise Unsupported("lightd is not root, and only root can mount it")
            self._make(size_mb)
            made = True
        try:
            self._refresh(size_mb)
        except (Unsupported, OSError, subprocess.TimeoutExpired):
            if made:  # it is empty, and would be used instead of volumes at the next start
                self.image.unlink()
            raise

    def _refresh(self, size_mb: int) -> None:
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
            btrfs_calls.fill_device(top)  # also if a daemon was killed after it had enlarged the image

    @property
    def _unfinished(self) -> Path:
        return self.image.with_name(f"{self.image.name}.new")

    def device(self) -> str | None:
        """The loop device of the mounted pool, None if it is not mounted.

        Raises ``Unsupported`` if something else is mounted there.
        """
        mount = _mount_of(self.target)
        if mount.point != str(self.target):
            return None
        backing = Path("/sys/class/block", os.path.basename(mount.source), "loop/backing_file")
        if not backing.exists() or backing.read_text().rstrip("\n") != str(self.image):
            raise Unsupported("another file system is mounted on storage.volumes_path")
        return mount.source

    def _check_place(self) -> None:
        """Raise ``Unsupported`` if the pool would hide files, or would not be visible to Docker."""
        if os.listdir(self.target):
            raise Unsupported("storage.volumes_path is not empty, and the pool would hide its contents")
        if _mount_of(self.target).received:
            raise Unsupported(
                "lightd has its own mount namespace, where Docker cannot see the pool; mount it on the host"
            )

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
            raise Unsupported(f"the disk only has room for {max(room, 0)} MB")
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
        raise Unsupported(f"{command[0]} is not installed") from None
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise Unsupported(f"{command[0]} failed: {said[-1] if said else ended.returncode}")


@attrs.frozen
class _Mount:
    """A line of mountinfo (proc(5)); ``received`` if its mounts come from another namespace."""

    point: str
    source: str
    received: bool


def _mount_of(path: Path) -> _Mount:
    """The mount that contains ``path``; if several are in one place, the last one is on top."""
    mounts = map(_to_mount, Path("/proc/self/mountinfo").read_text().splitlines())
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    deepest = max(len(mount.point) for mount in above)
    return [mount for mount in above if len(mount.point) == deepest][-1]


def _to_mount(line: str) -> _Mount:
    before, _, after = line.partition(" - ")
    _, _, _, _, point, _, *peers = before.split(" ")
    text = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
    return _Mount(text, after.split(" ")[1], any(peer.startswith("master:") for peer in peers))
