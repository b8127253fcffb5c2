"""Values are read by the rules of their class, with a bounded number of mistakes."""

import gzip

from lightd.files.formats import is_of_volume
from lightd.http.live.inbound import SendCommand
from lightd.validation.reading import MOST_UNKNOWN, read


def test_unknown_keys_are_reported_up_to_a_limit():
    mistakes = {}
    read(SendCommand, {"command": "say hi", **dict.fromkeys(map(str, range(8000)), 0)}, mistakes)
    assert len(mistakes) == MOST_UNKNOWN


def test_search_for_the_mark_of_an_archive_reads_little_of_it(tmp_path):
    """Any number of empty members may come before the first byte."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(b"") * 200_000)
    with path.open("rb") as file:
        assert not is_of_volume(file.fileno())
