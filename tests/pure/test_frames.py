import pytest

from lightd.engines.docker.frames import Tail, Unframer


def frame(stream, content):
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100])
def test_frames_may_arrive_in_pieces_of_any_size(size):
    data = frame(1, b"out\n") + frame(2, b"") + frame(2, b"err\xc3") + frame(1, b"\xb6r\n")
    unframer = Unframer()
    found = [unframer.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(found) == "out\nerrör\n".encode()


def test_large_frame_is_not_waited_for():
    unframer = Unframer()
    assert unframer.feed(frame(1, b"x" * 100_000)[:1008]) == b"x" * 1000


def test_short_output_is_kept_whole():
    tail = Tail(100)
    tail.add(b"one\ntwo\nthr")
    assert tail.take() == b"one\ntwo\nthr"
    assert not tail.cut


def test_long_output_is_cut_to_its_end_at_the_beginning_of_a_line():
    tail = Tail(100)
    for n in range(1000):
        tail.add(b"line %d\n" % n)
    lines = tail.take().splitlines()
    assert tail.cut
    assert lines[-1] == b"line 999"
    assert lines == [b"line %d" % n for n in range(1000 - len(lines), 1000)]
    assert 80 < len(tail.take()) <= 100


def test_endless_line_is_no_line():
    tail = Tail(10)
    tail.add(b"x" * 1000)
    assert tail.take() == b""
