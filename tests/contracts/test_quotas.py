"""The quotas of a node over kinds that are real: what is set, what is taken back, what a start repairs."""

import os
import uuid
from contextlib import ExitStack

import pytest
import trio
import trio.testing

from lightd.files import errors
from lightd.files.jail import Owner
from lightd.files.quota.accounted import Accounted
from lightd.files.quota.kind import MEGABYTE, Unsupported
from lightd.files.quota.probing import Found, _tried
from lightd.files.quota.quotas import Quotas
from lightd.files.quota.surveyor import open_surveyor
from lightd.files.volumes import VolumeFolders
from tests.contracts.quota_checks import write
from tests.rig import engine
from tests.support.quota_scene import SCENES, accounted, as_tenant

VOLUME = str(uuid.UUID(int=1))
TENANT = Owner(988, 988)


class Disks:
    """Quotas over one scene; ``sizes`` is what the journal would have."""

    def __init__(self, scene, surveyor):
        self.scene, self.surveyor, self.sizes = scene, surveyor, {}
        self.next()

    def next(self):
        """The quotas of the next daemon."""
        kinds = [self.scene.kind, Accounted()] if self.scene.keeps else [self.scene.kind]
        self.quotas = Quotas(self.scene.root, TENANT, Found(kinds), lambda: self.sizes, self.surveyor)
        return self.quotas

    async def make(self, size):
        async with self.quotas.making(VOLUME, size):
            self.sizes[VOLUME] = size
        return self.scene.path(VOLUME)

    def names(self):
        return sorted(path.name for path in self.scene.root.iterdir() if path.name == VOLUME)

    async def fail_making(self):
        async with self.quotas.making(VOLUME, 8):
            assert self.names() == [VOLUME]
            raise ValueError("not recorded")

    async def fail_writing(self, count):
        async with self.quotas.writing(VOLUME, count):
            assert self.scene.kind.enforced, "there is no room"
            raise errors.NoSpace("the kernel says so")

    def fits(self, megabytes):
        done = as_tenant(self.scene.path(VOLUME), f"dd if=/dev/zero of=a bs=1M count={megabytes} conv=fsync")
        return done.returncode == 0


@pytest.fixture(params=SCENES, ids=lambda scene: scene.__name__)
def disks(request, tmp_path):
    with ExitStack() as stack:
        scene = stack.enter_context(request.param(tmp_path))
        yield Disks(scene, stack.enter_context(open_surveyor()))


@pytest.fixture
def plain_disks(tmp_path):
    with accounted(tmp_path) as scene, open_surveyor() as surveyor:
        yield Disks(scene, surveyor)


async def test_start_sets_every_ceiling_anew(disks):
    await disks.make(64)
    disks.sizes[VOLUME] = 8  # recorded, and then the daemon was killed
    await disks.next().restore()
    assert disks.quotas.kind_of(VOLUME).name == disks.scene.kind.name
    assert disks.fits(20) is not disks.scene.keeps


async def test_creation_that_was_not_recorded_leaves_nothing(disks):
    with pytest.raises(ValueError, match="not recorded"):
        await disks.fail_making()
    assert disks.names() == []


async def test_creation_that_a_crash_ended_leaves_nothing(disks):
    disks.scene.kind.make(disks.scene.path(VOLUME), 8)
    await disks.next().restore()
    assert disks.names() == []


async def test_volume_that_was_deleted_is_forgotten_with_its_ceiling(disks):
    folders = VolumeFolders(disks.scene.root)
    await disks.make(8)
    assert disks.fits(6)
    await folders.set_aside(VOLUME)
    await disks.quotas.forget()  # not recorded yet
    await folders.put_back(VOLUME)
    assert disks.quotas.kind_of(VOLUME) is disks.scene.kind
    assert disks.fits(20) is not disks.scene.keeps
    await folders.set_aside(VOLUME)
    disks.sizes.clear()
    await folders.sweep_deleted(lambda: disks.sizes)
    await disks.quotas.forget()
    assert [path.name for path in disks.scene.root.iterdir() if VOLUME in path.name] == []
    assert disks.quotas.kind_of(VOLUME).name == "accounted"
    await disks.make(64)
    assert disks.fits(20)


async def test_quota_that_can_not_be_forgotten_is_left_to_a_later_call(plain_disks, caplog):
    class Stuck(Accounted):
        def forget(self):
            raise OSError(5, "Input/output error")

    quotas = Quotas(plain_disks.scene.root, TENANT, Found([Stuck()]), dict, plain_disks.surveyor)
    await quotas.forget()
    assert "quota data of deleted volumes could not be removed: Input/output error" in caplog.text


async def test_size_that_was_not_recorded_is_taken_back(disks):
    await disks.make(8)
    with pytest.raises(ValueError, match="not recorded"):
        async with disks.quotas.resizing(VOLUME, 64):
            raise ValueError("not recorded")
    assert disks.fits(20) is not disks.scene.keeps


async def test_volume_that_is_filled_while_it_shrinks_keeps_its_size(disks):
    await disks.make(64)
    await disks.quotas.check_fits(VOLUME, 8)
    assert disks.fits(20)
    if disks.scene.kind.enforced:
        with pytest.raises(errors.QuotaBelowUsage):
            async with disks.quotas.resizing(VOLUME, 8):
                pytest.fail("it is too small")
        assert as_tenant(disks.scene.path(VOLUME), "dd if=/dev/zero of=b bs=1M count=20").returncode == 0


async def test_usage_is_what_is_held_and_room_what_is_left(disks):
    path = await disks.make(8)
    assert await disks.quotas.usage(VOLUME) < MEGABYTE
    assert disks.fits(6)
    disks.quotas.want(VOLUME)
    assert 6 * MEGABYTE <= await disks.quotas.usage(VOLUME) < 7 * MEGABYTE
    said = []
    disks.quotas.full = said.append
    with pytest.raises(errors.NoSpace):
        await disks.fail_writing(3 * MEGABYTE)
    assert said == [VOLUME]
    async with disks.quotas.writing(VOLUME, MEGABYTE):
        write(f"{path}/b", 1)


async def test_resizes_of_one_volume_come_one_after_the_other(plain_disks):
    await plain_disks.make(8)
    record = []

    async def resize(size, begun, go):
        async with plain_disks.quotas.resizing(VOLUME, size):
            record.append(size)
            begun.set()
            await go.wait()
            record.append(size)

    first, second, go = trio.Event(), trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resize, 16, first, go)
        await first.wait()
        nursery.start_soon(resize, 32, second, go)
        await trio.testing.wait_all_tasks_blocked()
        assert not second.is_set()
        go.set()
    assert record == [16, 16, 32, 32]


async def test_folder_that_can_not_be_removed_or_limited_is_told_of(plain_disks, caplog, monkeypatch):
    plain_disks.scene.make(8, VOLUME)
    write(f"{plain_disks.scene.path(VOLUME)}/data", 1)
    await plain_disks.next().restore()
    assert f"volume {VOLUME} is not in the journal and was not removed" in caplog.text
    plain_disks.sizes[VOLUME] = 8

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Accounted, "limit", broken)
    await plain_disks.next().restore()
    assert f"the quota of volume {VOLUME} could not be set: Input/output error" in caplog.text


async def test_quotas_of_deleted_volumes_are_forgotten(plain_disks):
    await plain_disks.make(8)
    async with plain_disks.quotas.resizing(VOLUME, 16):
        pass
    await plain_disks.quotas.look(VOLUME)
    del plain_disks.sizes[VOLUME]
    plain_disks.quotas.prune()
    assert (plain_disks.quotas._accounts, plain_disks.quotas._kinds, plain_disks.quotas._resizing) == (
        {},
        {},
        {},
    )


async def test_volume_that_is_being_made_is_remembered(plain_disks):
    async with plain_disks.quotas.making(VOLUME, 8):
        plain_disks.quotas.prune()  # the watch comes by before it is recorded
        assert VOLUME in plain_disks.quotas._kinds


def test_no_kind_is_trusted_that_keeps_no_ceiling_or_takes_nothing(tmp_path, monkeypatch):
    engine.require_root()
    with pytest.raises(Unsupported, match="a write above the limit was accepted"):
        _tried(Accounted(), tmp_path)
    monkeypatch.setattr("lightd.files.quota.probing._written", lambda *_: False)
    with pytest.raises(Unsupported, match="a write below the limit was rejected"):
        _tried(Accounted(), tmp_path)
    monkeypatch.setattr("lightd.files.quota.probing.ROOM", 2**62)
    with pytest.raises(Unsupported, match="too full for a test"):
        _tried(Accounted(), tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 988)
    with pytest.raises(Unsupported, match="only root"):
        _tried(Accounted(), tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_entries_are_counted_and_bounded_whatever_holds_the_bytes(disks, monkeypatch):
    monkeypatch.setattr("lightd.files.quota.limits.FEWEST", 5)
    monkeypatch.setattr("lightd.files.quota.limits.BYTES_AN_ENTRY", 8 * MEGABYTE)
    path = await disks.make(8)
    assert as_tenant(path, "touch 1 2 3 4 5").returncode == 0
    assert disks.quotas.entries(VOLUME) is None
    await disks.quotas.survey(VOLUME)
    assert disks.quotas.entries(VOLUME) == 5
    with pytest.raises(errors.NoSpace, match="5 of 5 entries"):
        async with disks.quotas.writing(VOLUME, 0):
            pytest.fail("there is no room")
    assert as_tenant(path, "rm 1").returncode == 0
    async with disks.quotas.writing(VOLUME, 0) as allowance:
        allowance.charge(0, 1)
