"""What every kind of quota does, as the docstrings of ``lightd.files.quota.kind`` have it."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lightd.files.jail import open_jail
from lightd.files.measuring import measure
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.probing import Unsupported, _tried
from tests.support.quota_scene import QuotaScene, as_tenant, tenant
from tests.support.scene import held_in

FILL = "dd if=/dev/zero of=a bs=1M count=20 conv=fsync"


def write(path, megabytes):
    Path(path).write_bytes(os.urandom(megabytes * MEGABYTE))
    with Path(path).open("rb+") as file:
        os.fsync(file.fileno())


def refused(path, name, megabytes):
    """What the volume has no room for; root may be above quotas, whoever serves players isn't."""
    done = as_tenant(path, f"dd if=/dev/zero of={name} bs=1M count={megabytes} conv=fsync")
    assert done.returncode != 0
    assert "quota" in done.stderr or "space" in done.stderr


def check_volume_is_an_empty_folder(scene: QuotaScene):
    path = scene.make(8)
    assert held_in(Path(path)) == []
    assert Path(path).stat().st_mode & 0o7777 == 0o755
    assert scene.kind.holds(path)
    with pytest.raises(FileExistsError):
        scene.kind.make(path, 8)


def check_volume_that_is_missing_is_said_to_be(scene: QuotaScene):
    path = scene.path("nothing")
    for ask in (lambda: scene.kind.holds(path), lambda: scene.kind.limit(path, 8)):
        with pytest.raises(FileNotFoundError):
            ask()
    assert not Path(path).exists()


def check_usage_is_what_the_files_take(scene: QuotaScene):
    path = scene.make(16)
    assert scene.usage(path) < MEGABYTE
    write(f"{path}/a", 3)
    assert 3 * MEGABYTE <= scene.usage(path) < 4 * MEGABYTE
    Path(path, "a").unlink()
    for _ in range(200):  # xfs gives back what is deleted in the background
        if scene.usage(path) < MEGABYTE:
            break
        time.sleep(0.05)
    else:
        pytest.fail("what was deleted is counted for ever")


def check_volumes_count_for_themselves(scene: QuotaScene):
    one, other = scene.make(8, "one"), scene.make(8, "other")
    write(f"{one}/a", 4)
    assert scene.usage(other) < MEGABYTE
    if scene.keeps:
        refused(one, "b", 8)
    write(f"{other}/b", 4)


def check_write_that_fits_is_taken_and_one_that_does_not_is_refused(scene: QuotaScene):
    path = scene.make(8)
    write(f"{path}/a", 6)
    if not scene.keeps:
        return
    refused(path, "b", 4)
    assert scene.usage(path) <= 8 * MEGABYTE
    for left in held_in(Path(path)):  # what is full can be emptied
        Path(path, left).unlink()
    scene.kind.settle(path)
    write(f"{path}/a", 6)


def check_tenant_is_refused_too(scene: QuotaScene):
    if not scene.keeps:
        return
    path = scene.make(8)
    done = as_tenant(path, FILL)
    assert done.returncode != 0
    assert scene.usage(path) <= 8 * MEGABYTE


def check_volume_grows_while_it_is_written(scene: QuotaScene):
    path = scene.make(8)
    script = (
        "dd if=/dev/zero of=a bs=1M count=20 conv=fsync; echo $?; read go; "
        "dd if=/dev/zero of=a bs=1M count=20 conv=fsync; echo $?"
    )
    with tenant(path, script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == ("1\n" if scene.keeps else "0\n")
        scene.kind.limit(path, 32)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "0\n"


def check_ceiling_below_what_is_held_takes_nothing_away(scene: QuotaScene):
    path = scene.make(16)
    write(f"{path}/a", 8)
    scene.kind.limit(path, 4)
    assert Path(path, "a").stat().st_size == 8 * MEGABYTE
    assert scene.usage(path) >= 8 * MEGABYTE
    if scene.keeps:
        refused(path, "b", 1)
    scene.kind.limit(path, 16)
    write(f"{path}/b", 1)


def check_volume_without_a_size_has_no_ceiling(scene: QuotaScene):
    path = scene.make(None)
    write(f"{path}/a", 24)
    assert scene.usage(path) >= 24 * MEGABYTE
    scene.kind.limit(path, 8)
    if scene.keeps:
        refused(path, "b", 4)
    scene.kind.limit(path, None)
    write(f"{path}/b", 4)


def check_largest_size_can_be_had(scene: QuotaScene):
    path = scene.make(2**40)
    write(f"{path}/a", 1)
    scene.kind.limit(path, 2**40)


def check_every_call_can_be_repeated(scene: QuotaScene):
    path = scene.make(8)
    for size in (8, 8, 4, 4, None, None, 8):
        scene.kind.limit(path, size)
    for _ in range(2):
        scene.kind.forget()
        scene.kind.settle(path)
        assert scene.kind.usage(path, lambda _: None) < MEGABYTE
    if scene.keeps:
        assert as_tenant(path, FILL).returncode != 0


def check_volume_that_is_emptied_and_removed_leaves_nothing_to_the_next(scene: QuotaScene):
    path = scene.make(2)
    deleted = Path(path).rename(scene.path(".deleted-volume"))
    scene.make(16)
    deleted.rmdir()
    scene.kind.forget()
    write(f"{path}/a", 6)
    assert scene.usage(path) >= 6 * MEGABYTE
    Path(path, "a").unlink()
    Path(path).rmdir()
    assert not Path(path).exists()


def check_kind_is_found_by_trying(scene: QuotaScene):
    if scene.keeps:
        assert _tried(scene.kind, scene.root) is scene.kind
    else:
        with pytest.raises(Unsupported, match=r"above the limit was accepted|only root"):
            _tried(scene.kind, scene.root)
    assert [name for name in held_in(scene.root) if name.startswith(".lightd")] == []


def check_enforced_quota_holds_whatever_the_tenant_does(scene: QuotaScene):
    """Under another kind he may get away; then ``enforced`` is false, and a walk finds what he holds."""
    path = scene.make(8)
    escapes = "btrfs subvolume create n || { mkdir n && chattr -P n && chattr -p 0 n; }"
    as_tenant(path, escapes)
    as_tenant(path, "mkdir -p n")
    for number in range(4):
        as_tenant(path, f"dd if=/dev/zero of=n/{number} bs=1M count=8 conv=fsync")
    with open_jail(path) as jail:
        away = measure(jail).bytes
    if scene.kind.enforced:
        assert away <= 8 * MEGABYTE + 64 * 1024
    else:
        assert away >= 7 * MEGABYTE, as_tenant(path, "ls -lRa").stdout
