"""Log lines on standard error: structured, without secrets, and without blocking the program.

1. One line is one record: a JSON object, or on a terminal one line of text (a traceback takes more).
2. Everything that looks like a token is masked: in the message, arguments, extra fields and tracebacks.
3. Logging never blocks. A line is put into a queue of ``CAPACITY`` lines that a thread writes out; if the
   queue is full, the line is dropped and counted, and the count is logged as soon as there is room. A stopped
   terminal or a log collector that hangs costs log lines, but never delays a game server. The thread collects
   lines for ``GATHER`` seconds, because waking it costs five times as much as a line.
4. The length of a line is limited: the number of characters that are cut off is written in their place.
5. A log call writes ``REPEATS`` lines, and then ``REPEATS_RATE`` per second; the number of lines left out is
   the field ``left_out`` of the next one. Requests are limited per client (``lightd.access.log_limits``), the
   states of containers per container (``lightd.logs.container_states``).
6. Control characters are escaped: text from a tenant in a log line cannot control an operator's terminal.
"""

import contextlib
import datetime as dt
import functools
import json
import logging
import os
import queue
import select
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Literal, Self, TextIO, TypeAlias

from lightd.logs import redaction

Format: TypeAlias = Literal["json", "console"]

CAPACITY = 10_000  # lines: a burst, and no more memory than a few MiB
BATCH = 256  # lines that one write takes
SHORT = 256  # characters of a path
LONGEST_MESSAGE = 4096
LONGEST_FIELD = 1024
LONGEST_TRACE = 32 * 1024
REPEATS = 200
REPEATS_RATE = 10.0
LIMITED = frozenset({"lightd.request", "lightd.container"})
"""Loggers whose lines are limited where they are written."""
GATHER = 0.05  # seconds
SHUTDOWN_FLUSH = 2.0  # seconds that closing waits for the last lines to be taken

# What every record has; what a record has beyond these is an extra field.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FORMATS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
"""Characters that end a line or change the direction of the text after them, in terminals and editors."""
_CONTROL = (
    {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
    | {code: f"\\u{code:04x}" for code in _FORMATS}
    | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
)
_CONTROL_IN_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_FORMATS)}
"""What the encoder leaves as it is: it escapes the first 32 itself."""


def configure(format: Format, level: int | str, stream: TextIO | None = None) -> "Output":  # noqa: A002 - its name
    """Let every logger of the process write to ``stream`` (standard error) until the output is closed.

    Warnings of the ``warnings`` module are logged as well. Closing it gives back what was there before.
    """
    formatter = JsonFormatter() if format == "json" else ConsoleFormatter()
    return Output(formatter, level, sys.stderr if stream is None else stream)


class JsonFormatter(logging.Formatter):
    """A record as a JSON object: ``ts``, ``level``, ``logger``, ``message``, the extra fields, ``exception``.

    ``ts`` is RFC 3339 in UTC with milliseconds. An extra field of one of those names gets a ``_`` behind it.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        for key, value in _extras(record).items():
            line[f"{key}_" if key in line or key == "exception" else key] = value
        if trace := _trace(record):
            line["exception"] = trace
        return _to_json(line).translate(_CONTROL_IN_JSON)


class ConsoleFormatter(logging.Formatter):
    """A record as a person reads it: UTC, level, logger, message, ``key=value``; then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(
            f" {key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            for key, value in _extras(record).items()
        )
        text = f"{_message(record)}{' ' if extras else ''}{extras}".translate(_CONTROL)
        head = f"{_timestamp(record)} {record.levelname:<8} {record.name}: {text}"
        trace = "".join(f"\n    {line.translate(_CONTROL)}" for line in _trace(record).split("\n") if line)
        return f"{head}{trace}"


def to_short(text: str, most: int = SHORT) -> str:
    """``text``, cut to ``most`` characters where it is longer, with the number of those that were cut off."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters cut)"


def _message(record: logging.LogRecord) -> str:
    text = redaction.redact(record.getMessage())
    return to_short(text, LONGEST_MESSAGE) if record.args else text  # what others wrote is in the arguments


def _bounded(value: object) -> object:
    match value:
        case str():
            return to_short(value, LONGEST_FIELD)
        case dict() | list() if len(text := _to_json(value)) > LONGEST_FIELD:
            return to_short(text, LONGEST_FIELD)
        case _:
            return value


def _timestamp(record: logging.LogRecord) -> str:
    second = int(record.created)
    return f"{_to_second(second)}.{int((record.created - second) * 1000):03}Z"


@functools.lru_cache(1)
def _to_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).isoformat().removesuffix("+00:00")


def _extras(record: logging.LogRecord) -> Mapping[str, object]:
    extras = redaction.to_plain({key: value for key, value in vars(record).items() if key not in _STANDARD})
    assert isinstance(extras, dict)  # noqa: S101 - what a mapping becomes
    return {key: _bounded(value) for key, value in extras.items()}


def _trace(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append("".join(traceback.format_exception(*record.exc_info)))
    if record.stack_info:
        parts.append(record.stack_info)
    return to_short(redaction.redact("\n".join(parts).rstrip("\n")), LONGEST_TRACE)


class Output(logging.Handler):
    """Where log lines go; a context manager that closes itself. ``dropped`` counts those without room."""

    def __init__(self, formatter: logging.Formatter, level: int | str, stream: TextIO) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.dropped = 0
        self._calls: dict[tuple[str, int], tuple[float, int]] = {}  # each call of the program has one entry
        self._lines: queue.Queue[str | None] = queue.Queue(CAPACITY)
        self._write = _to_writer(stream)
        self._closing = threading.Event()
        self._root = logging.getLogger()
        self._before = self._root.handlers[:], self._root.level
        self._root.setLevel(level)
        self._root.handlers[:] = [self]
        logging.captureWarnings(True)  # noqa: FBT003 - the standard library's signature
        # A daemon thread: the process must be able to end while nobody reads.
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        if not self._may_repeat(record):
            return
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a handler's duty: the mistake of a log call is no reason to fail
            self.handleError(record)
        else:
            self._put(line)

    def _may_repeat(self, record: logging.LogRecord) -> bool:
        """Whether the log call of ``record`` has not filled its share of the log."""
        if record.name in LIMITED:
            return True
        call = record.pathname, record.lineno
        full, left_out = self._calls.get(call, (0.0, 0))
        full = max(full, record.created) + 1 / REPEATS_RATE
        if full - record.created > REPEATS / REPEATS_RATE:
            self._calls[call] = full - 1 / REPEATS_RATE, left_out + 1
            return False
        self._calls[call] = full, 0
        if left_out:
            record.left_out = left_out
        return True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Log that the log call of ``record`` is wrong, through the queue like all else."""
        call = f"{record.module}:{record.lineno}"
        self._put(self._own_line(f"the log call at {call} is wrong", exc_info=sys.exc_info()))

    def close(self) -> None:
        """Put the former handlers back, once the last lines are out or after ``SHUTDOWN_FLUSH``."""
        if self._closing.is_set():
            return
        self._closing.set()
        logging.captureWarnings(False)  # noqa: FBT003 - the standard library's signature
        self._root.handlers[:], level = self._before
        self._root.setLevel(level)
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=SHUTDOWN_FLUSH)
            self._thread.join(SHUTDOWN_FLUSH)
        super().close()

    def _put(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def _own_line(self, message: str, **attributes: object) -> str:
        level = {"levelno": logging.ERROR, "levelname": "ERROR"}
        return self.format(logging.makeLogRecord({"name": __name__, "msg": message, **level, **attributes}))

    def _run(self) -> None:
        told = 0
        while True:
            lines = self._take()
            text = "".join(f"{line}\n" for line in lines if line is not None)
            if missing := self.dropped - told:
                told += missing
                line = self._own_line("log lines were dropped: nobody read them", dropped=missing)
                text += f"{line}\n"
            with contextlib.suppress(OSError, ValueError):  # nobody is there to read, and nobody else to tell
                self._write(text)
            if lines[-1] is None:
                return

    def _take(self) -> list[str | None]:
        """The next lines, waiting for one and a moment more; None is the last that ever comes."""
        lines = [self._lines.get()]
        self._closing.wait(GATHER)
        with contextlib.suppress(queue.Empty):
            while len(lines) < BATCH and lines[-1] is not None:
                lines.append(self._lines.get_nowait())
        return lines


def _to_writer(stream: TextIO) -> Callable[[str], None]:
    """What writes text to ``stream``: past its buffer where it has a descriptor.

    A thread that hangs in a write would keep the buffer's lock, and the interpreter needs that to exit.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a stream in memory has none

        def write_text(text: str) -> None:
            stream.write(text)
            stream.flush()

        return write_text

    writable = select.poll()
    writable.register(descriptor, select.POLLOUT)

    def write_bytes(text: str) -> None:
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # a terminal that another program made non-blocking
                writable.poll()

    return write_bytes
