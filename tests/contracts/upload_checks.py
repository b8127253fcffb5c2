"""What an upload in pieces promises, whichever resolver the jail has."""

import os

import pytest

from lightd.files import errors, listing, uploads
from lightd.files.paths import parse_path
from tests.support.scene import TENANT, Scene, held_in, unhurried, upload


def check_upload_that_broke_off_goes_on(scene: Scene) -> None:
    path = parse_path("big/file.bin")
    with uploads.open_upload(scene.jail, path, TENANT, "n1") as first:
        first.write(b"0123456789")
    assert listing.list_folder(scene.jail, parse_path("big")).entries == ()
    with uploads.open_upload(scene.jail, path, TENANT, "n1") as second:
        assert second.offset == 10
        with pytest.raises(errors.InvalidOffset, match="10 bytes"):
            second.begin_at(11)
        second.begin_at(8)
        second.write(b"89ab")
        with pytest.raises(errors.InvalidOffset, match="12 bytes"):
            second.commit(13)
        second.commit(12)
    assert (scene.volume / "big/file.bin").read_bytes() == b"0123456789ab"
    assert held_in(scene.volume / "big") == ["file.bin"]


def check_one_upload_is_written_by_one_client(scene: Scene) -> None:
    path = parse_path("file")
    with uploads.open_upload(scene.jail, path, TENANT, "n1") as first:
        with pytest.raises(errors.NotAllowed), uploads.open_upload(scene.jail, path, TENANT, "n1"):
            pass
        upload(scene.jail, path, b"other", name="n2")
        first.write(b"first")
        first.commit()
    assert (scene.volume / "file").read_bytes() == b"first"


def check_upload_without_a_commit_leaves_nothing_unless_it_has_a_name(scene: Scene) -> None:
    (scene.volume / "file").write_text("old")
    with uploads.open_upload(scene.jail, parse_path("file"), TENANT) as arriving:
        arriving.write(b"half")
    with uploads.open_upload(scene.jail, parse_path("file"), TENANT, "n1") as arriving:
        arriving.write(b"half")
        arriving.abandon()
    assert held_in(scene.volume) == ["file"]
    assert (scene.volume / "file").read_text() == "old"


def check_part_that_the_tenant_replaced_is_begun_anew(scene: Scene) -> None:
    path = parse_path("file")
    with uploads.open_upload(scene.jail, path, TENANT, "n1") as arriving:
        arriving.write(b"half")
    (part,) = scene.volume.iterdir()
    for plant in (
        lambda: part.symlink_to(scene.outside / "canary.txt"),
        lambda: os.link(scene.outside / "canary.txt", part),
        lambda: os.mkfifo(part),
        lambda: (part / "full").mkdir(parents=True),
    ):
        part.unlink(missing_ok=True)
        plant()
        with uploads.open_upload(scene.jail, path, TENANT, "n1") as arriving:
            assert arriving.offset == 0
            arriving.write(b"mine")
        assert part.read_bytes() == b"mine"


def check_old_parts_are_swept(scene: Scene) -> None:
    for name in ("old", "new"):
        with uploads.open_upload(scene.jail, parse_path(f"d/{name}"), TENANT, "n1") as arriving:
            arriving.write(b"half")
    old, _ = sorted((scene.volume / "d").iterdir())
    os.utime(old, (1000, 1000))
    assert uploads.sweep_parts(scene.jail, 2000, unhurried) == 1
    assert not old.exists()
    assert len(held_in(scene.volume / "d")) == 1
