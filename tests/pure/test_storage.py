"""Who else on the host may look into the daemon's folders."""

import os
import stat
from pathlib import Path

import pytest

from lightd.config import folders
from lightd.config.sections import Storage


@pytest.fixture
def wanted(tmp_path):
    return Storage(tmp_path / "storage")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022])
def test_folders_are_made_as_shut_as_servers_allow(wanted, umask, caplog):
    before = os.umask(umask)
    try:
        folders.prepare(wanted)
    finally:
        os.umask(before)
    assert [mode(path) for path in (wanted.base_path, wanted.containers_path, wanted.volumes_path)] == [
        0o711,
        0o700,
        0o700,
    ]
    assert caplog.text == ""


@pytest.mark.parametrize("engine_before", [None, "docker", "process"])
def test_servers_that_are_users_of_the_host_get_to_their_scripts(wanted, engine_before, caplog):
    if engine_before is not None:
        folders.prepare(wanted, mounts=engine_before == "docker")
    folders.prepare(wanted, mounts=False)
    assert [mode(path) for path in (wanted.containers_path, wanted.volumes_path)] == [0o711, 0o711]
    assert caplog.text == ""


def test_folder_that_the_operator_left_open_is_told_with_what_mends_it(wanted, caplog):
    folders.prepare(wanted)
    wanted.base_path.chmod(0o755)
    folders.prepare(wanted)
    assert [record.getMessage() for record in caplog.records] == [
        f"storage.base_path can be accessed by other users (mode 0755): chmod 711 {wanted.base_path}",
    ]
    assert mode(wanted.base_path) == 0o755


def test_folders_of_an_earlier_version_are_shut_where_containers_see_them_by_mounts(wanted, caplog):
    for path, loose in ((wanted.containers_path, 0o755), (wanted.volumes_path, 0o711)):
        path.mkdir(parents=True)
        path.chmod(loose)
        if os.geteuid() == 0:
            os.chown(path, 988, 988)
    wanted.base_path.chmod(0o711)
    folders.prepare(wanted)
    assert [record.getMessage() for record in caplog.records] == [
        f"removed the access of other users to {wanted.containers_path} (mode was 0755)",
        f"removed the access of other users to {wanted.volumes_path} (mode was 0711)",
    ]
    for path in (wanted.containers_path, wanted.volumes_path):
        assert (mode(path), path.stat().st_uid) == (0o700, os.geteuid())


def test_folder_that_is_not_ours_to_shut_is_told(wanted, caplog, monkeypatch):
    folders.prepare(wanted)
    wanted.volumes_path.chmod(0o755)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    folders.prepare(wanted)
    assert f"{wanted.volumes_path} can be accessed by other users (mode 0755): chmod 700 it" in caplog.text


def test_files_that_lightd_names_itself_are_tightened(wanted, caplog):
    folders.prepare(wanted)
    (wanted.base_path / "consoles").mkdir()
    (wanted.base_path / "consoles").chmod(0o755)
    for name, loose in (("lightd.db", 0o644), ("lightd.db-wal", 0o660), ("volumes.img", 0o400)):
        (wanted.base_path / name).touch()
        (wanted.base_path / name).chmod(loose)
    folders.prepare(wanted)
    assert mode(wanted.base_path / "consoles") == 0o700
    assert mode(wanted.base_path / "lightd.db") == 0o600
    assert mode(wanted.base_path / "lightd.db-wal") == 0o600
    assert mode(wanted.base_path / "volumes.img") == 0o400
    assert caplog.text.count("removed the access of other users") == 3


def test_file_that_is_not_ours_to_change_is_told(wanted, caplog, monkeypatch):
    folders.prepare(wanted)
    (wanted.base_path / "lightd.db").touch()
    (wanted.base_path / "lightd.db").chmod(0o644)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    folders.prepare(wanted)
    assert (
        f"{wanted.base_path / 'lightd.db'} can be accessed by other users (mode 0644): chmod 600 it"
        in caplog.text
    )


def test_link_in_place_of_a_file_is_not_followed(wanted, tmp_path):
    folders.prepare(wanted)
    (tmp_path / "another").touch()
    (tmp_path / "another").chmod(0o644)
    (wanted.base_path / "volumes.img").symlink_to(tmp_path / "another")
    folders.prepare(wanted)
    assert mode(tmp_path / "another") == 0o644
