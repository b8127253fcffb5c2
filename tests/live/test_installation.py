"""``install.sh`` as ``docs/installation.md`` uses it, in folders of its own instead of root's."""

import os
import subprocess

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


def test_script_is_one_that_a_person_can_read():
    text = (ROOT / "install.sh").read_text()
    assert len(text.splitlines()) < 170
    assert "curl" not in text
    assert "http" not in text
