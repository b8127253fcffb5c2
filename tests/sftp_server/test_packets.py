"""Packets at random: every one is answered, and nothing outside of the volume is touched."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.daemon import USER
from tests.support.soak import times

UID, GID = map(int, USER.split(":"))
MOST = 64 << 20


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2))
def test_packets_at_random_are_answered_and_stay_in_the_volume(tmp_path, seed):
    volume, empty, outside = tmp_path / "volume", tmp_path / "empty", tmp_path / "outside.txt"
    for folder in (volume, empty, volume / "hidden"):
        folder.mkdir()
    outside.write_text("untouched")
    (volume / "hidden" / "a").write_text("a")
    (volume / "l").symlink_to(outside)
    for path in (volume, *volume.rglob("*")):
        os.chown(path, UID, GID, follow_symlinks=False)
    tmp_path.chmod(0o755)
    count = times(50_000)
    command = [
        sys.executable,
        "-m",
        "tests.sftp_server.fuzzing",
        str(volume),
        USER,
        str(seed),
        str(count),
        str(empty),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert sum(found["answers"].values()) == count
    assert {"101", "102", "104", "105"} <= found["answers"].keys()  # statuses, handles, names, attributes
    assert found["grown"] <= MOST
    assert outside.read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "outside.txt", "volume"]
    assert list(empty.iterdir()) == []
