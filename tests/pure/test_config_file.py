import json
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from lightd.config import file, rules, sections

TOKEN = "lightd_0123456789abcdef"


def names(directory):
    return [path.name for path in directory.iterdir()]


def test_path_is_the_options_then_the_environments_then_the_working_directorys(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    environ = {"LIGHTD_CONFIG": "/etc/b.json"}
    assert file.resolve_path("a.json", environ) == tmp_path / "a.json"
    assert file.resolve_path(None, environ) == Path("/etc/b.json")
    assert file.resolve_path(None, {"LIGHTD_CONFIG": ""}) == tmp_path / "config.json"


def test_first_start_writes_a_file_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "config.json"
    before = os.umask(0)
    try:
        assert file.create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = file.load(path)
    assert json.loads(path.read_text()) == sections.first_file(
        loaded.authorization.token, root=os.geteuid() == 0, node=loaded.node
    )
    assert file.load(path).storage.base_path == tmp_path / "storage"
    assert names(tmp_path) == ["config.json"]


def test_first_files_of_one_host_have_nodes_of_their_own(tmp_path):
    nodes = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        file.create(tmp_path / name / "config.json")
        nodes.add(file.load(tmp_path / name / "config.json").node)
    host = file.node_name(socket.gethostname())[:54]
    assert len(nodes) == 2
    assert all(re.fullmatch(rf"{re.escape(host)}-[0-9a-f]{{8}}", node) for node in nodes)


def test_first_file_of_an_ordinary_user_has_servers_be_that_user(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 100)
    file.create(path)
    assert str(file.load(path).docker.user) == "1000:100"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert file.load(path).docker.user == sections.SERVER_USER


def test_first_file_of_root_has_each_volume_have_a_user_of_its_own(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    file.create(path)
    assert str(file.load(path).docker.user) == "auto"
    assert str(file.load(path).docker.user_range) == "900000-965535"


def test_file_that_nobody_lets_us_look_for_is_a_mistake_not_a_missing_one(tmp_path):
    path = tmp_path / ("x" * 300)
    assert file.is_there(path)
    assert not file.create(path)
    with pytest.raises(sections.ConfigurationError, match="cannot be read: File name too long"):
        file.load(path)
    assert names(tmp_path) == []


def test_file_that_exists_is_left_as_it_is(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("mine")
    assert not file.create(path)
    assert path.read_text() == "mine"


def test_two_first_starts_have_different_tokens():
    assert file.fresh_token() != file.fresh_token()
    assert rules.TOKEN.read(file.fresh_token())


def test_two_daemons_that_start_for_the_first_time_at_once_use_one_file(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    link = os.link

    def other_comes_first(source, target):
        monkeypatch.setattr(os, "link", link)
        assert file.create(path)
        link(source, target)

    monkeypatch.setattr(os, "link", other_comes_first)
    assert not file.create(path)
    assert names(tmp_path) == ["config.json"]


def test_missing_directory_is_a_mistake_and_is_not_made(tmp_path):
    with pytest.raises(sections.ConfigurationError, match="cannot be written: No such file or directory"):
        file.create(tmp_path / "nowhere" / "config.json")
    assert names(tmp_path) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_file_that_is_open_to_others_is_refused_with_what_mends_it(tmp_path, mode):
    path = tmp_path / "config.json"
    file.create(path)
    path.chmod(mode)
    with pytest.raises(sections.ConfigurationError) as caught:
        file.load(path)
    assert (
        str(caught.value)
        == f"contains a token and can be read by other users (mode {mode:04o}): chmod 600 {path}"
    )


def test_configuration_that_is_no_regular_text_file_is_a_mistake(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "bytes").write_bytes(b'{"\xff"}')
    (tmp_path / "bytes").chmod(0o600)
    for name, mistake in [
        ("fifo", "cannot be read: not a regular file"),
        ("bytes", "is not valid UTF-8 (at byte 2)"),
        ("absent", "cannot be read: No such file or directory"),
    ]:
        with pytest.raises(sections.ConfigurationError) as caught:
            file.load(tmp_path / name)
        assert str(caught.value) == mistake


def test_new_token_changes_nothing_else_and_keeps_the_link_to_the_file(tmp_path):
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "lightd.json"
    value = {"node": "fra-2", "authorization": {"token": TOKEN}, "server": {"port": 1}}
    real.write_text("\ufeff" + json.dumps(value))
    real.chmod(0o600)
    path = tmp_path / "config.json"
    path.symlink_to(real)
    file.replace_token(path, "lightd_fedcba9876543210")
    value["authorization"]["token"] = "lightd_fedcba9876543210"
    assert path.is_symlink()
    assert list(json.loads(real.read_text()).items()) == list(value.items())
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert names(tmp_path / "real") == ["lightd.json"]


def test_new_token_keeps_the_files_owner(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    file.create(path)
    record = []
    monkeypatch.setattr(os, "fchown", lambda _descriptor, uid, gid: record.append((uid, gid)))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    file.replace_token(path, TOKEN)
    assert record == [(path.stat().st_uid, path.stat().st_gid)]


@pytest.mark.parametrize("broken", ["fchown", "fsync", "replace"])
def test_new_token_that_cannot_be_written_changes_nothing(tmp_path, monkeypatch, broken):
    path = tmp_path / "config.json"
    file.create(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "geteuid", lambda: -1)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(Path if broken == "replace" else os, broken, fail)
    with pytest.raises(sections.ConfigurationError, match="cannot be written: No space left on device"):
        file.replace_token(path, TOKEN)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["config.json"]


def test_wrong_file_or_a_wrong_token_is_not_written_over(tmp_path):
    path = tmp_path / "config.json"
    file.create(path)
    before = path.read_bytes()
    with pytest.raises(sections.ConfigurationError, match="must be a token"):
        file.replace_token(path, "short")
    assert path.read_bytes() == before
    path.write_text('{"authorization": 7}')
    with pytest.raises(sections.ConfigurationError, match="authorization: must be an object"):
        file.replace_token(path, TOKEN)
    assert path.read_text() == '{"authorization": 7}'
