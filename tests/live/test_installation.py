"""``install.sh`` as ``docs/installation.md`` uses it, in folders of its own instead of root's."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from threading import Thread

import pytest

from tests.support.page_blocks import ROOT, all_blocks

PAGE = "docs/installation.md"
WITHOUT_SUDO = 'sudo() { "$@"; }\n'


@pytest.fixture
def folders_of_root(tmp_path):
    """The variables that ``install.sh`` knows, with all it writes below ``tmp_path``."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    folders = {"PREFIX": "opt/lightd", "BIN": "bin", "DATA": "data", "UNIT": "unit/lightd.service"}
    return {**kept, **{name: str(tmp_path / path) for name, path in folders.items()}, "SERVICE": "0"}


def run(folders_of_root, script, code=0):
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{WITHOUT_SUDO}{script}"],
        cwd=ROOT,
        env=folders_of_root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_installation_is_upgraded_rolled_back_and_removed_and_a_failed_one_changes_nothing(
    folders_of_root, tmp_path
):
    install, upgrade, rollback, remove = all_blocks(PAGE, "bash")
    said = run(folders_of_root, install)
    assert "lightd is installed; systemd does not run here" in said
    lightd, current = tmp_path / "bin/lightd", tmp_path / "opt/lightd/current"
    first = current.readlink()
    assert subprocess.run([lightd, "--version"], capture_output=True, check=True).stdout.startswith(
        b"lightd "
    )

    (tmp_path / "data/storage").mkdir(parents=True)
    (tmp_path / "data/storage/lightd.db").write_bytes(b"journal")
    (tmp_path / "data/config.json").write_text("{}")
    broken = {
        **folders_of_root,
        "PIP_INDEX_URL": "http://127.0.0.1:1/",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    run({**broken, "PIP_CONFIG_FILE": os.devnull}, upgrade, code=1)
    assert current.readlink() == first
    assert len(list((tmp_path / "opt/lightd").iterdir())) == 2

    run(folders_of_root, upgrade)
    second = current.readlink()
    assert second != first
    assert (tmp_path / "data/before-upgrade/lightd.db").read_bytes() == b"journal"
    assert (tmp_path / "data/before-upgrade/config.json").exists()

    run(folders_of_root, rollback)
    assert current.readlink() == first
    subprocess.run([lightd, "--version"], capture_output=True, check=True)
    assert "no earlier version" in run(folders_of_root, rollback, code=1)

    run(folders_of_root, remove)
    assert not lightd.is_symlink()
    assert not (tmp_path / "opt/lightd").exists()
    assert (tmp_path / "data/storage/lightd.db").exists()
    assert "usage" not in run(folders_of_root, "bash install.sh nonsense", code=2)


PYTHON = """\
case $1 in
-m) mkdir -p "$3/bin"; for name in pip lightd; do ln -s {true} "$3/bin/$name"; done ;;
--version) echo Python 3.13.0 ;;
-) exec {python} "$@" ;;
esac
"""


TOOLS = (
    *("bash", "cat", "cp", "cut", "date", "dirname", "find", "flock", "id", "install", "ln", "mkdir", "mv"),
    *("readlink", "rm", "sed"),
)


@pytest.fixture
def install(folders_of_root, tmp_path):
    """Run ``install.sh`` with stand-ins for Python, apt-get and systemctl, which note how they are called."""
    copy, programs = tmp_path / "copy", tmp_path / "programs"
    (copy / "config").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "config/lightd.service"):
        shutil.copy(ROOT / name, copy / name)
    script = (ROOT / "install.sh").read_text().replace("/run/systemd/system", str(tmp_path / "systemd"))
    (copy / "install.sh").write_text(script)
    programs.mkdir()
    for name in TOOLS:  # and no dockerd
        (programs / name).symlink_to(shutil.which(name))

    def program(name, text=""):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/called\n{text}')
        (programs / name).chmod(0o755)

    program("python3.13", PYTHON.format(python=sys.executable, true=shutil.which("true")))
    program("apt-get")
    program("systemctl")

    def run_it(*arguments, code=0, service="0"):
        (tmp_path / "called").write_text("")
        environ = {
            **folders_of_root,
            "PATH": str(programs),
            "SERVICE": service,
            "SOCKET": str(tmp_path / "docker.sock"),
        }
        said = run(environ, f"bash {copy}/install.sh {' '.join(arguments)}", code)
        called = (tmp_path / "called").read_text().splitlines()
        return said, [line for line in called if not line.startswith("python")]

    run_it.program, run_it.copy = program, copy
    return run_it


def an_engine(path):
    """A socket on which a Docker Engine answers."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer():
        while True:
            with server.accept()[0] as client:
                client.recv(1000)
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")

    Thread(target=answer, daemon=True).start()


def test_engine_is_installed_if_none_answers_although_its_socket_exists(install, tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "docker.sock"))
    said, called = install("--docker")
    assert "apt-get -qy install docker.io" in called
    assert f"no Docker Engine answers at {tmp_path}/docker.sock: start it" in said


def test_engine_that_is_installed_and_does_not_answer_is_not_replaced(install):
    install.program("dockerd")
    said, called = install("--docker")
    assert called == []
    assert "no Docker Engine answers" in said


def test_engine_that_answers_is_left_as_it_is(install, tmp_path):
    an_engine(tmp_path / "docker.sock")
    said, called = install("--docker")
    assert called == []
    assert "no Docker Engine" not in said


@pytest.fixture
def stored_journal(tmp_path):
    (tmp_path / "data/storage").mkdir(parents=True)
    (tmp_path / "data/storage/lightd.db").write_bytes(b"journal")
    (tmp_path / "data/storage/lightd.db.lock").touch()
    (tmp_path / "data/config.json").write_text("{}")
    return tmp_path / "data/storage/lightd.db"


def test_journal_of_a_daemon_that_runs_is_not_copied(install, stored_journal, tmp_path):
    install()
    first = (tmp_path / "opt/lightd/current").readlink()
    with stored_journal.with_name("lightd.db.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said, _ = install(code=1)
    assert f"a running lightd has the journal in {stored_journal.parent} open: stop it first" in said
    assert (tmp_path / "opt/lightd/current").readlink() == first
    assert not (tmp_path / "data/before-upgrade").exists()


def test_upgrade_that_cannot_copy_the_journal_starts_the_former_version_again(
    install, stored_journal, tmp_path
):
    install()
    first = (tmp_path / "opt/lightd/current").readlink()
    (tmp_path / "data/before-upgrade").mkdir()
    (tmp_path / "data/before-upgrade/lightd.db").write_bytes(b"earlier")
    (tmp_path / "data/config.json").unlink()
    (tmp_path / "systemd").mkdir()
    (install.copy / "pyproject.toml").write_text('version = "newer"\n')
    _, called = install(code=1, service="1")
    assert called == [f"systemctl {each} lightd" for each in ("--quiet is-active", "stop", "start")]
    assert (tmp_path / "opt/lightd/current").readlink() == first
    assert not list((tmp_path / "opt/lightd").glob("newer-*"))
    assert (tmp_path / "data/before-upgrade/lightd.db").read_bytes() == b"earlier"


def test_upgrade_stops_the_service_for_the_copy_and_starts_the_new_version(install, stored_journal, tmp_path):
    install()
    (tmp_path / "systemd").mkdir()
    (install.copy / "pyproject.toml").write_text('version = "newer"\n')
    _, called = install(service="1")
    assert called == [
        "systemctl --quiet is-active lightd",
        "systemctl stop lightd",
        "systemctl daemon-reload",
        "systemctl enable --quiet lightd",
        "systemctl restart lightd",
    ]
    assert (tmp_path / "opt/lightd/current").readlink().name.startswith("newer-")
    assert (tmp_path / "data/before-upgrade/lightd.db").read_bytes() == b"journal"
    assert not (tmp_path / "data/before-upgrade.new").exists()


def test_script_is_one_that_a_person_can_read():
    text = (ROOT / "install.sh").read_text()
    assert len(text.splitlines()) < 170
    assert "curl" not in text
    assert "http" not in text
