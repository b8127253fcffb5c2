import contextlib
import io
import json
import logging
import os
import threading
import time
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lightd.logs import output, redaction

TOKEN = "lightd_0123456789abcdef"
log = logging.getLogger("lightd.test")


def written(form, do, level="INFO"):
    """What comes out when ``do`` logs."""
    stream = io.StringIO()
    with output.configure(form, level, stream):
        do()
    return stream.getvalue()


def fail(error):
    raise error


def record(do):
    """The one JSON line that comes out when ``do`` logs."""
    (line,) = written("json", do).splitlines()
    return json.loads(line)


# ---- what a line looks like


def test_json_line_has_its_time_in_utc_and_every_extra_field():
    found = record(lambda: log.warning("went %s", "wrong", extra={"request_id": "r-1", "ports": (1, 2)}))
    assert found.pop("ts").endswith("Z")
    assert found == {
        "level": "warning",
        "logger": "lightd.test",
        "message": "went wrong",
        "request_id": "r-1",
        "ports": [1, 2],
    }


def test_time_is_rfc_3339_with_milliseconds():
    made = logging.makeLogRecord({"created": 1_700_000_000.9996, "levelname": "INFO"})
    assert json.loads(output.JsonFormatter().format(made))["ts"] == "2023-11-14T22:13:20.999Z"


def test_extra_field_never_takes_the_place_of_a_lines_own():
    found = record(lambda: log.info("x", extra={"level": 9, "exception": "e"}))
    assert (found["level"], found["level_"], found["exception_"]) == ("info", 9, "e")


def test_exception_is_one_field_of_the_line():
    def do():
        try:
            fail(ValueError("no"))
        except ValueError:
            log.exception("it failed", stack_info=True)

    found = record(do)
    assert found["message"] == "it failed"
    assert found["exception"].startswith("Traceback")
    assert "ValueError: no" in found["exception"]
    assert "Stack (most recent call last)" in found["exception"]


def test_values_without_a_json_form_become_text():
    extra = {"at": {1: float("inf")}, "path": io, "bytes": b"x", "none": None, "share": 0.5}
    found = record(lambda: log.info("x", extra=extra))
    assert found["at"] == {"1": "inf"}
    assert found["path"].startswith("<module 'io'")
    assert (found["bytes"], found["none"], found["share"]) == ("b'x'", None, 0.5)


def test_console_line_reads_as_one_line_with_its_fields_behind():
    line = written("console", lambda: log.info("started", extra={"internal_id": "s1", "ports": [1]}))
    assert line.endswith("Z INFO     lightd.test: started  internal_id=s1 ports=[1]\n")


def test_console_traceback_follows_its_line():
    def do():
        try:
            fail(ValueError("no\x1b[2J"))
        except ValueError:
            log.exception("it failed")

    first, *rest = written("console", do).splitlines()
    assert first.endswith("ERROR    lightd.test: it failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == "    ValueError: no\\x1b[2J"


def test_text_of_a_tenant_moves_no_cursor_and_makes_no_line():
    line = written("console", lambda: log.info("said %s", "\x1b[2J\r\nfake\x9b", extra={"name_": "\n\t\x7f"}))
    assert line.rstrip("\n").isprintable()
    assert "said \\x1b[2J\\r\\nfake\\x9b" in line


def test_lines_below_the_level_stay_out_and_warnings_come_in():
    def do():
        log.info("quiet")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", stacklevel=1)

    found = json.loads(written("json", do, "WARNING"))
    assert found["logger"] == "py.warnings"
    assert "old" in found["message"]


# ---- secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"minted {TOKEN}.", "minted lightd_…def."),
        (f"GET /ws/s1?token={TOKEN}&since=1", "GET /ws/s1?token=lightd_…cdef&since=1"),
        ("GET /ws/s1?token=lightd%5F0123456789ab&since=1", "GET /ws/s1?token=…89ab&since=1"),
        ("Authorization: Bearer 0123456789abcdef", "Authorization: Bearer …cdef"),
        ("Authorization: Basic 0123456789abcdef", "Authorization: Basic …cdef"),
        ("authorization=0123456789abcdef", "authorization=…cdef"),
        ("[(b'Authorization', b'Bearer 0123456789')]", "[(b'Authorization', b'Bearer …6789')]"),
        ("'Authorization': 'Bearer 0123456789'", "'Authorization': 'Bearer …6789'"),
        ("bearer 0123456789abcdef is wrong", "bearer …cdef is wrong"),
        ('{"token":"0123456789abcdef"}', '{"token":"…cdef"}'),
        ("token=short", "token=…"),
        (f"lightd.{TOKEN}", "lightd.lightd_…cdef"),
        ("no bearer token given", "no bearer token given"),
        ("authorization.enabled: must be true", "authorization.enabled: must be true"),
        ("authorization.token: must be a token", "authorization.token: must be a token"),
        ("lightd_x", "lightd_x"),
    ],
)
def test_text_that_looks_like_a_token_is_masked(text, shown):
    assert redaction.redact(text) == shown


def test_no_token_comes_out_by_any_way_in():
    def do():
        try:
            fail(RuntimeError(f"refused {TOKEN}"))
        except RuntimeError:
            log.exception(
                f"a {TOKEN} b %s",  # noqa: G004 - a careless call
                TOKEN,
                extra={
                    "url": f"/ws?token={TOKEN}",
                    "headers": {"Authorization": "0123456789abcdef", "X": [TOKEN]},
                    "error": RuntimeError(TOKEN),
                    "token": "0123456789abcdef",
                    TOKEN: 1,
                },
            )

    for form in ("json", "console"):
        text = written(form, do)
        assert "0123456789" not in text
        assert text.count("cdef") >= 8


@settings(deadline=None)
@given(
    st.text(),
    st.text(st.sampled_from("ABCXYZabcxyz0123456789_-"), min_size=13),
    st.text(),
    st.sampled_from(["json", "console"]),
)
def test_no_token_is_ever_written_whatever_stands_around_it(before, rest, after, form):
    formatter = output.JsonFormatter() if form == "json" else output.ConsoleFormatter()
    assume(rest not in before and rest not in after)
    made = logging.makeLogRecord({"msg": f"{before}lightd_{rest}{after}", "levelname": "INFO"})
    assert rest not in formatter.format(made)


# ---- nobody waits for who reads


def full_pipe():
    """Both ends of a pipe that takes not one byte more."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    return reading, writing


def test_reader_that_stopped_costs_lines_and_is_told_how_many(monkeypatch):
    monkeypatch.setattr(output, "CAPACITY", 10)
    monkeypatch.setattr(output, "BATCH", 5)
    reading, writing = full_pipe()
    stream = os.fdopen(writing, "w")
    handler = output.configure("json", "INFO", stream)
    for number in range(100):
        log.info("line %d", number)  # returns, though nobody reads
    dropped = handler.dropped

    def close():
        with stream, handler:
            pass

    closing = threading.Thread(target=close)
    closing.start()
    with os.fdopen(reading) as reader:
        lines = [json.loads(line) for line in reader if line != "\n"]
    closing.join()
    kept = [line["message"] for line in lines if "dropped" not in line]
    assert sum(line.get("dropped", 0) for line in lines) == dropped == 100 - len(kept)
    assert len(kept) <= 10 + 5
    assert kept == [f"line {number}" for number in range(100) if f"line {number}" in kept]


def test_closing_gives_up_on_a_reader_that_stopped(monkeypatch):
    monkeypatch.setattr(output, "SHUTDOWN_FLUSH", 0.01)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        with output.configure("console", "INFO", stream) as handler:
            log.info("x" * 1_000_000)
        assert handler not in logging.getLogger().handlers
        os.close(reading)  # lets the writing thread go on, to its end
        handler._thread.join()


def test_terminal_that_does_not_block_gets_every_line():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = []
    with os.fdopen(reading) as reader:
        thread = threading.Thread(target=lambda: got.extend(reader))
        thread.start()
        with os.fdopen(writing, "w") as stream, output.configure("console", "INFO", stream):
            log.info("x" * 1_000_000)
        thread.join()
    (line,) = got
    assert line.endswith("x" * 1_000_000 + "\n")


def test_stream_that_is_gone_fails_no_log_call():
    stream = io.StringIO()
    stream.close()
    with output.configure("console", "INFO", stream):
        log.info("nobody hears this")


def test_wrong_log_call_is_told_and_goes_on():
    found = record(lambda: log.info("%d", "x"))
    assert found["level"] == "error"
    assert found["message"].startswith("the log call at test_logs:")
    assert "TypeError" in found["exception"]


def test_closing_gives_back_what_was_there():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    handler = output.configure("json", "DEBUG", io.StringIO())
    assert root.handlers == [handler]
    handler.close()
    handler.close()
    assert (root.handlers, root.level) == before


def test_line_is_bounded_whatever_a_client_or_a_tenant_wrote_into_it():
    for formatter in (output.JsonFormatter(), output.ConsoleFormatter()):
        record = logging.makeLogRecord({"msg": "GET %s", "args": ("/" + "x" * 31_000,), "levelname": "INFO"})
        record.field = "y" * 50_000
        record.listed = ["z" * 900] * 1000
        line = formatter.format(record)
        assert len(line) < 3 * output.LONGEST_MESSAGE
        assert "characters cut)" in line


def test_short_text_is_left_alone_and_a_long_one_says_what_was_cut():
    assert output.to_short("x" * output.SHORT) == "x" * output.SHORT
    assert output.to_short("x" * 300) == "x" * output.SHORT + "… (44 characters cut)"


def test_log_call_that_repeats_fills_no_disk_and_says_how_much_was_left_out(monkeypatch):
    stream = io.StringIO()
    now = time.time()
    with output.configure("json", "INFO", stream):
        for number in range(3000):
            record = logging.makeLogRecord(
                {
                    "name": "x",
                    "levelno": 20,
                    "levelname": "INFO",
                    "msg": "again",
                    "pathname": "p",
                    "lineno": 1,
                }
            )
            record.created = now + 60 * (number == 2999)
            logging.getLogger().handle(record)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == output.REPEATS + 1
    assert lines[-1]["left_out"] == 2999 - output.REPEATS


@pytest.mark.parametrize("kind", ["json", "console"])
def test_character_that_controls_a_terminal_or_turns_text_around_is_escaped_in_both_formats(kind):
    codes = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0x200F, 0x061C, 0xFEFF)
    text = "".join(map(chr, codes))
    line = written(kind, lambda: log.info("said %s", text, extra={"name_": text, "more": {"a": [text]}}))
    assert line.endswith("\n")
    assert line.rstrip("\n").isprintable()
    if kind == "json":
        found = json.loads(line)
        assert found["message"] == f"said {text}"
        assert (found["name_"], found["more"]) == (text, {"a": [text]})
