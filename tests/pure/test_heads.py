"""Heads that are made to take long: each is refused or read in the time that its length allows."""

import time

import h11
import pytest
from werkzeug.datastructures import Headers

from lightd.http.ranges import Span, choose
from lightd.http.transport.heads import H11Connection

SIZE = 32 * 1024 - 512
BLANKS = b" " * SIZE
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\n"
LONG_VALUES = [BLANKS + b"x", b"x" + BLANKS, b"x " * (SIZE // 2), b"\t" * SIZE, b"\xe9" * SIZE]
NO_RANGES = ["bytes=" + " " * SIZE + "x", " " * SIZE, "bytes=0-" + "1" * SIZE, "bytes" + " =" * (SIZE // 2)]
CONDITIONS = [" " * SIZE + "x", "W/" * (SIZE // 2), '"' * SIZE, '"a" ' * (SIZE // 4), "," * SIZE]
CPU = 0.25
"""Seconds of CPU for what takes one or two milliseconds, and took three seconds."""


def read(*pieces):
    """What a connection makes of what comes in: the status of a refusal, else how many events."""
    connection = H11Connection(32 * 1024, 200)
    number = 0
    for piece in pieces:
        connection.receive_data(piece)
        try:
            while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                number += 1
                if isinstance(event, h11.EndOfMessage):
                    break
        except h11.RemoteProtocolError as error:
            return error.error_status_hint
    return f"{number} events"


def timed(work, *arguments):
    before = time.thread_time()
    result = work(*arguments)
    assert time.thread_time() - before < CPU
    return result


@pytest.mark.parametrize("end", [b"\0", b"\x0b", b"\x0c", b"x\0", b"\x7f"])
def test_field_of_blanks_that_ends_in_a_control_character_is_refused_at_once(end):
    assert timed(read, HEAD + b"a:" + BLANKS + end + b"\r\n\r\n") == 400


@pytest.mark.parametrize("value", LONG_VALUES)
def test_field_that_is_long_and_allowed_is_read_in_linear_time(value):
    assert timed(read, HEAD + b"content-length: 0\r\na:" + value + b"\r\n\r\n") == "2 events"


def test_head_of_thousands_of_fields_is_a_431_before_one_is_looked_at():
    assert timed(read, HEAD + b"a:\r\n" * 8000 + b"\r\n") == 431


def test_head_of_as_many_fields_as_are_allowed_is_read():
    assert read(b"GET / HTTP/1.1\r\nhost: a\r\n" + b"a:\r\n" * 199 + b"\r\n") == "2 events"


@pytest.mark.parametrize("extension", [b"; " + BLANKS + b"x", b";" * SIZE, b" ;a=b"])
def test_extension_of_a_chunk_is_passed_over_in_linear_time(extension):
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    assert timed(read, chunked, b"1" + extension + b"\r\nx\r\n0\r\n\r\n") == "3 events"


@pytest.mark.parametrize("line", [b"1;a\nb", b"1;a\rb", b"1\n", b"1 " + BLANKS + b"x", b"x;"])
def test_chunk_without_a_clear_head_is_refused(line):
    assert timed(read, HEAD + b"transfer-encoding: chunked\r\n\r\n", line + b"\r\nx\r\n0\r\n\r\n") == 400


@pytest.mark.parametrize("text", NO_RANGES)
def test_range_that_is_none_is_found_out_in_linear_time(text):
    assert timed(choose, Headers({"Range": text}), 10, '"a"', None) == Span(200, 0, 10)


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("text", CONDITIONS)
def test_condition_is_read_in_linear_time(name, text):
    assert timed(choose, Headers({name: text}), 10, '"a"', None).status in (200, 304, 412)
