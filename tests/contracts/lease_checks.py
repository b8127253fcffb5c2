"""What a tenant's lease on a file, fcntl(2), can do to whoever is asked for that file: nothing that lasts."""

import fcntl
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightd.files import copying, deleting, errors, operations, packing, unpacking, uploads
from lightd.files.jail import held
from lightd.files.paths import parse_path
from tests.support.scene import TENANT, Scene, download, refusal, unhurried, upload

LEASES = (fcntl.F_RDLCK, fcntl.F_WRLCK)
LONG = 20.0
"""Seconds: the kernel breaks a lease by itself after 45."""


@contextmanager
def leased(path: Path, kind: int) -> Iterator[None]:
    """A process of the tenant's, who owns the file ``path``, has a lease on it and never lets go."""
    if os.geteuid() == 0:
        os.chown(path, TENANT.uid, TENANT.gid)
    ours, its = os.pipe()
    with held(ours) as ready:
        holder = os.fork()
        if holder == 0:
            try:
                _hold(path, kind, its)
            finally:
                os._exit(1)
        os.close(its)
        try:
            assert os.read(ready, 1), "no lease was given"
            yield
        finally:
            os.kill(holder, signal.SIGKILL)
            os.waitpid(holder, 0)


def _hold(path: Path, kind: int, ready: int) -> None:
    """Have the lease as the tenant for as long as nobody kills us."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    file = os.open(path, os.O_RDONLY if kind == fcntl.F_RDLCK else os.O_RDWR)
    if os.geteuid() == 0:
        os.setgid(TENANT.gid)
        os.setuid(TENANT.uid)
    fcntl.fcntl(file, fcntl.F_SETLEASE, kind)
    os.write(ready, b"!")
    while True:
        signal.pause()


def check_no_operation_waits_for_a_lease(scene: Scene) -> None:
    for kind in LEASES:
        (scene.volume / "honest.txt").write_text("honest")
        (scene.volume / "f").write_text("held")
        began = time.monotonic()
        with leased(scene.volume / "f", kind):
            for ask in scene.answers(parse_path("f")):
                refusal(ask)
        assert time.monotonic() - began < LONG


def check_file_under_a_lease_is_replaced_moved_and_deleted_all_the_same(scene: Scene) -> None:
    jail, path = scene.jail, parse_path("f")
    for ask in (
        lambda: operations.write_file(jail, path, b"mine", TENANT),
        lambda: upload(jail, path, b"mine"),
        lambda: operations.change_mode(jail, path, 0o640),
        lambda: operations.rename(jail, path, parse_path("moved"), TENANT),
        lambda: deleting.delete(jail, [path], unhurried),
    ):
        (scene.volume / "f").write_text("held")
        with leased(scene.volume / "f", fcntl.F_WRLCK):
            assert refusal(ask) is None


def check_reading_a_file_under_a_lease_says_that_it_is_in_use(scene: Scene) -> None:
    jail, path, other = scene.jail, parse_path("f"), parse_path("other")
    for ask in (
        lambda: download(jail, path),
        lambda: copying.copy(jail, path, other, TENANT, unhurried),
        lambda: packing.compress(jail, [path], other, "tar", TENANT, unhurried),
        lambda: unpacking.extract(jail, path, other, TENANT, unhurried),
    ):
        (scene.volume / "f").write_text("held")
        with leased(scene.volume / "f", fcntl.F_WRLCK):
            assert refusal(ask) is errors.InUse
        assert not (scene.volume / "other").exists()


def check_part_that_the_tenant_made_or_leased_is_begun_anew(scene: Scene) -> None:
    path = parse_path("file")
    digest = hashlib.sha256(b"file\0n1").hexdigest()
    part = scene.volume / f".lightd-{digest[:16]}.part"
    for kind in LEASES:
        part.write_text("his")
        with leased(part, kind):
            began = time.monotonic()
            with uploads.open_upload(scene.jail, path, TENANT, "n1") as arriving:
                assert arriving.offset == 0
                arriving.write(b"mine")
                arriving.commit(4)
            assert time.monotonic() - began < LONG
        assert (scene.volume / "file").read_text() == "mine"
