"""Frames of Docker's raw stream in bounded steps: a program that writes byte by byte makes very many."""

import pytest

from lightd.engines.docker.frames import Unframer


def framed(piece):
    return b"\x01\0\0\0" + len(piece).to_bytes(4, "big") + piece


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
@pytest.mark.parametrize("cut", [1, 5, 9, 4096])
def test_frames_taken_a_few_at_a_time_hold_the_same_contents(most, cut):
    pieces = [b"y", b"\n", b"", b"x" * 300] * 20
    data = b"".join(map(framed, pieces))
    unframer, found = Unframer(), []
    for begin in range(0, len(data), cut):
        left = data[begin : begin + cut]
        while left:
            size = len(left)
            contents, left = unframer.feed_some(left, most)
            assert len(left) < size
            found.append(contents)
    assert b"".join(found) == b"".join(pieces)
