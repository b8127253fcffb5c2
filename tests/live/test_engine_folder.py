"""The host's side of a container: its own folder, and the volume's change of hands. No engine is needed."""

import os
import shutil

import pytest

from actors.container.engine import EngineRefused
from lightd.engines.host import folder
from lightd.engines.host.folder import Owner

ME = Owner(os.getuid(), os.getgid())
OTHER = Owner(988, 988)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "containers" / "s1"
    folder.write_files(str(path), {"entrypoint.sh": "one"})
    return path


@pytest.mark.parametrize(
    ("user", "owner"), [("988:989", Owner(988, 989)), ("0:0", Owner(0, 0)), ("7", Owner(7, 0))]
)
def test_user_names_an_owner(user, owner):
    assert Owner.from_user(user) == owner


def test_hand_over_without_root_is_refused_in_a_sentence(own, volume_path, monkeypatch):
    def forbid(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", forbid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineRefused, match=r"cannot be given to 988:988: lightd is not root.*docker\.user"):
        folder.hand_over(str(volume_path), str(own), 1, OTHER)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PermissionError):
        folder.hand_over(str(volume_path), str(own), 1, OTHER)


def test_files_are_readable_by_the_containers_user(own):
    before = os.umask(0o077)
    try:
        folder.write_files(str(own), {"entrypoint.sh": "two", "install.sh": "\udce9"})
    finally:
        os.umask(before)
    assert (own / "entrypoint.sh").read_text() == "two"
    assert (own / "install.sh").read_bytes() == b"\xe9"
    assert own.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o644}


def test_file_is_replaced_not_written_where_it_stands(own, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    (own / "entrypoint.sh").unlink()
    (own / "entrypoint.sh").symlink_to(outside)
    (own / ".entrypoint.sh.new").symlink_to(outside)
    folder.write_files(str(own), {"entrypoint.sh": "two"})
    assert outside.read_text() == "untouched"
    assert not (own / "entrypoint.sh").is_symlink()


def test_folder_that_is_a_link_is_refused(own, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(own)
    with pytest.raises(OSError, match="link"):
        folder.write_files(str(link), {"entrypoint.sh": "two"})


def test_clearing_takes_what_a_kill_left_half_written(own):
    folder.write_files(str(own), {"entrypoint.sh": "echo"})
    (own / f".lightd-{'0' * 16}.part").write_text("ec")
    folder.clear(str(own))
    assert not own.exists()


def test_clearing_takes_ours_and_leaves_what_is_others(own, volume_path):
    folder.hand_over(str(volume_path), str(own), 1, ME)
    (own / "console.log").touch()
    folder.clear(str(own))
    assert [path.name for path in own.iterdir()] == ["console.log"]
    (own / "console.log").unlink()
    folder.clear(str(own))
    folder.clear(str(own))
    assert not own.exists()


def test_volume_that_is_the_users_already_needs_no_rights(own, volume_path):
    (volume_path / "a").mkdir()
    (volume_path / "a" / "b").symlink_to("/etc/passwd")
    folder.hand_over(str(volume_path), str(own), 1, ME)
    assert (own / "handed-over").read_text() == f"1 {ME.uid}:{ME.gid}\n"


def test_volume_that_is_not_there_is_missed(own, volume_path):
    with pytest.raises(FileNotFoundError):
        folder.hand_over(f"{volume_path}-no", str(own), 1, ME)


@as_root
def test_everything_in_it_changes_hands_and_nothing_outside(own, volume_path, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (volume_path / "a" / "b").mkdir(parents=True)
    (volume_path / "a" / "link").symlink_to(outside)
    (volume_path / "a" / "b" / "setuid").touch()
    (volume_path / "a" / "b" / "setuid").chmod(0o6755)
    os.mkfifo(volume_path / "fifo")
    folder.hand_over(str(volume_path), str(own), 1, OTHER)
    everything = [volume_path, *volume_path.rglob("*")]
    assert len(everything) == 6
    assert {path.lstat().st_uid for path in everything} == {988}
    assert (volume_path / "a" / "b" / "setuid").stat().st_mode & 0o6000 == 0
    assert {outside.stat().st_uid, (outside / "file").stat().st_uid} == {0}


@as_root
def test_volume_is_handed_over_once_an_attempt_or_when_its_top_has_another_owner(own, volume_path):
    file = volume_path / "file"
    file.touch()

    def again(attempt):
        os.chown(file, 1234, 1234)
        folder.hand_over(str(volume_path), str(own), attempt, OTHER)
        return file.stat().st_uid

    assert again(1) == 988
    assert again(1) == 1234
    assert again(2) == 988
    os.chown(volume_path, 0, 0)
    assert again(2) == 988


@as_root
def test_folders_nested_without_end_are_refused(own, volume_path):
    deep = os.open(volume_path, os.O_RDONLY)
    for _ in range(folder.DEEPEST + 3):
        os.mkdir("d", dir_fd=deep)
        deeper = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    with pytest.raises(OSError, match="too many levels"):
        folder.hand_over(str(volume_path), str(own), 1, OTHER)
    assert not (own / "handed-over").exists()


@as_root
def test_hand_over_that_is_due_happens_once_and_takes_an_empty_folder_away(own, volume_path):
    (volume_path / "file").touch()
    folder.hand_over(str(volume_path), str(own), 1, OTHER)
    os.chown(volume_path / "file", 0, 0)
    folder.expect_hand_over(str(own), 1, "988:988", volume_path.name)
    folder.settle_hand_over(str(own), str(volume_path.parent))
    assert (volume_path / "file").stat().st_uid == 988
    assert not (own / "hand-over-due").exists()
    assert (own / "entrypoint.sh").exists()
    folder.expect_hand_over(str(own), 2, "988:988", volume_path.name)
    folder.clear(str(own))
    folder.settle_hand_over(str(own), str(volume_path.parent))
    folder.settle_hand_over(str(own), str(volume_path.parent))
    assert not own.exists()


def test_hand_over_of_a_volume_that_is_gone_is_forgotten(own, volume_path):
    folder.expect_hand_over(str(own), 1, f"{ME.uid}:{ME.gid}", "no-such-volume")
    folder.settle_hand_over(str(own), str(volume_path.parent))
    assert not (own / "hand-over-due").exists()


def test_hand_over_that_fails_is_told_and_stays_due(own, volume_path, monkeypatch, caplog):
    def fail(*_):
        raise OSError(5, "Input/output error")

    folder.expect_hand_over(str(own), 1, f"{ME.uid}:{ME.gid}", volume_path.name)
    monkeypatch.setattr(folder, "hand_over", fail)
    folder.settle_hand_over(str(own), str(volume_path.parent))
    assert (own / "hand-over-due").exists()
    assert "still has files of its installer's user: [Errno 5] Input/output error" in caplog.text


def test_hand_over_outlives_the_removal_of_the_containers_folder(tmp_path, monkeypatch):
    """Two removals at once, as at a start after a kill: it ended the daemon."""
    own, volumes = tmp_path / "own", tmp_path / "volumes"
    own.mkdir()
    (volumes / "v").mkdir(parents=True)
    folder.expect_hand_over(str(own), 1, "988:988", "v")
    monkeypatch.setattr(folder, "hand_over", lambda *_: shutil.rmtree(own))
    folder.settle_hand_over(str(own), str(volumes))
    assert not own.exists()


def test_hand_over_whose_folder_is_none_any_more_is_logged(tmp_path, caplog):
    (tmp_path / "own").write_text("somebody's file")
    folder.settle_hand_over(str(tmp_path / "own"), str(tmp_path))
    assert "cannot be read" in caplog.text


def test_hand_over_after_an_installer_leaves_that_after_a_later_one_due(tmp_path):
    """An orphan's removal takes a while, and the container may be made anew meanwhile."""
    own, volumes = tmp_path / "own", tmp_path / "volumes"
    own.mkdir()
    (volumes / "v").mkdir(parents=True)
    user = f"{os.geteuid()}:{os.getegid()}"
    folder.expect_hand_over(str(own), 2, user, "v")
    folder.settle_hand_over(str(own), str(volumes), 1)
    assert (own / folder.DUE).exists()
    folder.settle_hand_over(str(own), str(volumes), 2)
    assert not own.exists()
