"""A volume that is full, on a filesystem of a megabyte."""

import subprocess

import pytest

from lightd.files import copying, deleting, errors, operations, packing, unpacking, uploads
from lightd.files.jail import open_jail
from lightd.files.paths import ROOT, parse_path


@pytest.fixture
def small_volume(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no filesystem can be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def pace(_):
    pass


def test_full_volume_says_so_and_keeps_what_it_held(small_volume):
    (small_volume / "half").write_bytes(b"x" * 600_000)
    (small_volume / "f").write_text("old")
    half, path = parse_path("half"), parse_path("f")
    with open_jail(small_volume) as jail:
        packing.compress(jail, [half], parse_path("a.zip"), "zip", None, pace)
        with pytest.raises(errors.NoSpace, match='The volume is full: "f" cannot be written'):
            operations.write_file(jail, path, b"x" * 600_000, None)
        with pytest.raises(errors.NoSpace), uploads.open_upload(jail, path, None) as arriving:
            arriving.write(b"x" * 600_000)
        with pytest.raises(errors.NoSpace):
            copying.copy(jail, half, parse_path("copy"), None, pace)
        with pytest.raises(errors.NoSpace):
            packing.compress(jail, [half], parse_path("a.tar"), "tar", None, pace)
        with pytest.raises(errors.NoSpace):
            unpacking.extract(jail, parse_path("a.zip"), ROOT, None, pace)
        assert sorted(path.name for path in small_volume.iterdir()) == ["a.zip", "f", "half"]
        assert (small_volume / "f").read_text() == "old"
        deleting.delete(jail, [half], pace)
        operations.write_file(jail, path, b"x" * 600_000, None)
