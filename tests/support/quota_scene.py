"""Filesystems on loop devices, one for each kind of quota; whatever a test does, nothing stays mounted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from lightd.files.quota import btrfs_calls
from lightd.files.quota.accounted import Accounted
from lightd.files.quota.btrfs import Btrfs, open_btrfs
from lightd.files.quota.kind import MEGABYTE, Kind, Unsupported
from lightd.files.quota.pool import Pool
from lightd.files.quota.project import open_project
from tests.rig import engine

TENANT = 988
IMAGE_MB = 320


@attrs.frozen
class QuotaScene:
    """A kind, the folder of its volumes, and whether it keeps a ceiling of its own accord."""

    kind: Kind
    root: Path
    keeps: bool

    def path(self, name="volume") -> str:
        return str(self.root / name)

    def make(self, size_mb, name="volume") -> str:
        """A volume that belongs to the tenant."""
        path = self.path(name)
        self.kind.make(path, size_mb)
        if os.geteuid() == 0:
            os.chown(path, TENANT, TENANT)
        return path

    def usage(self, path) -> int:
        self.kind.settle(path)
        return self.kind.usage(path, lambda _: None)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)


def tenant(volume, script, **options) -> subprocess.Popen[str]:
    """A shell script in ``volume``, run as whom it belongs to; the way to it is none of his."""
    if os.geteuid() == 0:
        options |= {"user": TENANT, "group": TENANT, "extra_groups": []}
    options = {"stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(["sh", "-c", script], cwd=volume, **options)


def as_tenant(volume, script) -> subprocess.CompletedProcess[str]:
    """The same, and its end."""
    with tenant(volume, script, stdout=subprocess.PIPE) as process:
        told, error = process.communicate()
    return subprocess.CompletedProcess(script, process.returncode, told, error)


def unmount(folder: Path) -> None:
    while os.path.ismount(folder):
        run("umount", str(folder))


@contextmanager
def mounted(folder: Path, make: list[str], options: str) -> Iterator[Path]:
    """A new filesystem on a loop device, mounted below ``folder``."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    engine.require(make[0])
    image, target = folder / "image", folder / "mnt"
    target.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_MB * MEGABYTE)
    try:
        run(*make, str(image))
        mount = ["mount", "-o", f"loop,{options}", str(image), str(target)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip(f"this kernel can't mount {make[0].removeprefix('mkfs.')} with {options}")
        yield target
    finally:
        unmount(target)
        image.unlink()


@contextmanager
def accounted(folder):
    yield QuotaScene(Accounted(), folder, keeps=False)


@contextmanager
def btrfs(folder, accounting=btrfs_calls.Accounting.SIMPLE):
    with mounted(folder, ["mkfs.btrfs", "-q"], "nodiscard") as root:
        top = os.open(root, os.O_RDONLY)
        try:
            btrfs_calls.enable_quota(top, accounting)
        except OSError:
            pytest.skip("this kernel's btrfs has no simple quotas (Linux 6.7)")
        finally:
            os.close(top)
        yield QuotaScene(_opened(lambda: open_btrfs(str(root), enable=False)), root, keeps=True)


@contextmanager
def btrfs_classic(folder):
    with btrfs(folder, btrfs_calls.Accounting.CLASSIC) as scene:
        yield scene


@contextmanager
def pool(folder):
    engine.require("mkfs.btrfs")
    target = folder / "volumes"
    target.mkdir()
    try:
        try:
            Pool(folder / "volumes.img", target).open(IMAGE_MB)
        except Unsupported as why:
            pytest.skip(f"no pool here: {why}")
        kind: Btrfs = open_btrfs(str(target), enable=True)
        yield QuotaScene(kind, target, keeps=True)
    finally:
        unmount(target)
        (folder / "volumes.img").unlink(missing_ok=True)


@contextmanager
def project_on_ext4(folder):
    make = ["mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota"]
    with mounted(folder, make, "prjquota") as root:
        yield QuotaScene(_opened(lambda: open_project(str(root))), root, keeps=True)


@contextmanager
def project_on_xfs(folder):
    with mounted(folder, ["mkfs.xfs", "-q"], "prjquota") as root:
        yield QuotaScene(_opened(lambda: open_project(str(root))), root, keeps=True)


SCENES = [accounted, btrfs, btrfs_classic, pool, project_on_ext4, project_on_xfs]


def _opened(opening):
    try:
        return opening()
    except Unsupported as why:
        pytest.skip(f"this kernel can't: {why}")
