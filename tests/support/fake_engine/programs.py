"""Programs of fake containers: coroutines that print, read stdin and receive signals.

They behave like the programs with the same names in ``tests/rig/servers``, so that one test can run on both
engines. Any other command is read as a small script: ``echo``, ``sleep``, ``exit``, ``cat`` and the programs
themselves, separated by ``;``, ``&&`` or newlines, or repeated by ``while true; do …; done``. A script that
ends in ``while read -r line; do …; done`` prints each line that it reads.
"""

import re
import shlex
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NoReturn

import attrs
import trio

STDIN_BOUND: Final = 64 * 1024
"""Unread bytes of stdin; a further write waits, as on a full pipe."""

MOMENT: Final = 0.0001
"""Seconds that one turn of a loop takes at least: virtual time does not advance while a task is runnable."""

HARMLESS: Final = frozenset({"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"})


class OutOfMemory(Exception):  # noqa: N818 - not an error: it ends a run
    """The kernel kills the program because it uses too much memory."""


class Exit(Exception):  # noqa: N818 - the same
    """The program exits with a code, from any depth."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@attrs.define(eq=False)
class Process:
    """One run of a program: its stdin, its signals, and ``write`` for its output."""

    environment: Mapping[str, str]
    _emit: Callable[[bytes], Awaitable[None]]
    _stdin: bytearray = attrs.field(factory=bytearray, init=False)
    _moved: trio.Event | None = attrs.field(default=None, init=False)
    _handlers: dict[str, Callable[[], None]] = attrs.field(factory=dict, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _killed_by: int | None = attrs.field(default=None, init=False)
    out_of_memory: bool = attrs.field(default=False, init=False)
    raw: bool = attrs.field(default=False, init=False)
    """True for a program that reads the keys of its terminal: no echo, and Enter is a carriage return."""

    async def write(self, data: bytes) -> None:
        """Print bytes unchanged; waits while an attached reader does not read them."""
        await self._emit(data)

    async def print(self, line: str) -> None:
        """Print one line."""
        await self._emit(f"{line}\n".encode())

    async def read_line(self) -> str:
        """The next line of stdin without its end; waits for it."""
        while (end := self._stdin.find(b"\r" if self.raw else b"\n")) < 0:
            await self._change()
        line = self._stdin[:end].decode(errors="replace")
        del self._stdin[: end + 1]
        self._notify()
        return line.removesuffix("\r")

    def on_signal(self, name: str, handler: Callable[[], None]) -> None:
        """Call ``handler`` instead of the default action of the signal."""
        self._handlers[name] = handler

    async def send(self, data: bytes) -> None:
        """Write to the program's stdin; waits while it is full."""
        while len(self._stdin) > STDIN_BOUND:
            await self._change()
        self._stdin += data
        self._notify()

    def deliver(self, name: str) -> None:
        """Send a signal to the program."""
        if handler := self._handlers.get(name):
            handler()
        elif name not in HARMLESS:
            self._killed_by = signal.Signals[name].value
            self._scope.cancel()

    def end(self) -> None:
        """Stop the program immediately; its exit code is not used."""
        self._scope.cancel()
        self._notify()

    async def run(self, program: "Program", words: Sequence[str]) -> int:
        """Run ``program`` to its end and return its exit code."""
        code = 0
        with self._scope:
            try:
                code = await program(self, words)
            except OutOfMemory:
                self.out_of_memory = True
                return 128 + signal.SIGKILL
            except Exit as exit_:
                return exit_.code
        return code if self._killed_by is None else 128 + self._killed_by

    async def _change(self) -> None:
        if self._moved is None:
            self._moved = trio.Event()
        await self._moved.wait()

    def _notify(self) -> None:
        if self._moved is not None:
            self._moved.set()
            self._moved = None


Program = Callable[[Process, Sequence[str]], Awaitable[int]]
"""A program: called with the words of its command, returns its exit code."""


def _number(words: Sequence[str], index: int, default: float) -> float:
    return float(words[index]) if len(words) > index else default


async def stdin_echo(process: Process, _words: Sequence[str]) -> int:
    await process.print("Ready")
    while (line := await process.read_line()) != "stop":
        if line.startswith("exit "):
            return int(line.removeprefix("exit "))
        await process.print(f"got: {line}")
    await process.print("Stopping")
    return 0


async def raw_echo(process: Process, words: Sequence[str]) -> int:
    """``stdin-echo`` for a program with its own line editor."""
    process.raw = True
    return await stdin_echo(process, words)


async def line_printer(process: Process, words: Sequence[str]) -> int:
    count, interval = int(_number(words, 0, 0)), _number(words, 1, 1)
    text = words[2] if len(words) > 2 else "line"
    number = 0
    while not count or number < count:
        number += 1
        await process.print(f"{text} {number}")
        await trio.sleep(max(interval, MOMENT))
    return 0


async def flood(process: Process, words: Sequence[str]) -> int:
    rate, count = int(_number(words, 0, 50_000)), int(_number(words, 1, 0))
    await process.print("Ready")
    begun, sent = trio.current_time(), 0
    while not count or sent < count:
        stretch = max(1, min(rate // 200 or 2000, count - sent if count else 2000))
        lines = (f"flood {sent + n} of a console that never rests\n" for n in range(1, stretch + 1))
        await process.write("".join(lines).encode())
        sent += stretch
        await trio.sleep(0.005 if rate else MOMENT)
    await process.print(f"Flooded {sent} lines in {trio.current_time() - begun:.2f} s")
    return 0


async def ignore_sigterm(process: Process, _words: Sequence[str]) -> int:
    send, receive = trio.open_memory_channel[None](1)

    def note() -> None:
        try:
            send.send_nowait(None)
        except trio.WouldBlock:
            return  # a pending signal is not counted twice

    process.on_signal("SIGTERM", note)
    await process.print("Ready")
    async for _ in receive:
        await process.print("SIGTERM ignored")
    return 0


async def crash_looper(process: Process, words: Sequence[str]) -> int:
    code = int(_number(words, 0, 1))
    await process.print("Ready")
    await trio.sleep(_number(words, 1, 1))
    await process.print(f"Crashing with {code}")
    return code


async def memory_hog(process: Process, _words: Sequence[str]) -> int:
    await process.print("Ready")
    await trio.sleep(0.1)
    raise OutOfMemory


async def prompt(process: Process, _words: Sequence[str]) -> int:
    for percent in (10, 50, 100):
        await process.write(f"\rLoading world: \x1b[33m{percent}%\x1b[0m\x1b[K".encode())
        await trio.sleep(0.05)
    await process.write(b"\r\n\x1b[1;32mReady\x1b[0m> ")
    while (line := await process.read_line()) != "stop":
        await process.write(f"\r\x1b[K\x1b[36m[INFO]\x1b[0m got: {line}\r\n\x1b[1;32mReady\x1b[0m> ".encode())
    await process.write(b"\r\x1b[KStopping\r\n")
    return 0


async def http_server(process: Process, _words: Sequence[str]) -> NoReturn:
    await process.print("Ready")
    await trio.sleep_forever()


async def cat(process: Process, _words: Sequence[str]) -> int:
    while True:
        await process.print(await process.read_line())


async def echo(process: Process, words: Sequence[str]) -> int:
    await process.print(" ".join(words))
    return 0


async def sleep(_process: Process, words: Sequence[str]) -> int:
    await trio.sleep(_number(words, 0, 0))
    return 0


async def exit_(_process: Process, words: Sequence[str]) -> int:
    raise Exit(int(_number(words, 0, 0)))


PROGRAMS: Final[Mapping[str, Program]] = {
    "cat": cat,
    "crash-looper": crash_looper,
    "echo": echo,
    "exit": exit_,
    "flood": flood,
    "http-server": http_server,
    "ignore-sigterm": ignore_sigterm,
    "line-printer": line_printer,
    "memory-hog": memory_hog,
    "prompt": prompt,
    "raw-echo": raw_echo,
    "sleep": sleep,
    "stdin-echo": stdin_echo,
}

_STATEMENTS = re.compile(r"&&|;|\n")
_READING = re.compile(r"(.*;)?\s*while read -r line;\s*do\s.*;\s*done", re.DOTALL)
_ENDLESS = re.compile(r"while (?:true|:);\s*+do\s++(.*);\s*+done", re.DOTALL)


def to_program(text: str, programs: Mapping[str, Program]) -> Program:
    """The program for the command or script ``text``; the whole text can be a program's name."""
    if text in programs:
        return programs[text]
    if endless := _ENDLESS.fullmatch(text.strip()):
        return _repeat(to_program(endless[1], programs))
    if reading := _READING.fullmatch(text.strip()):
        return _read_after(to_program(reading[1] or "", programs))
    words = _to_words(text)
    if words is not None and words[:2] in (["bash", "-c"], ["sh", "-c"]):
        return to_program(" ".join(words[2:3]), programs)

    async def script(process: Process, _words: Sequence[str]) -> int:
        code = 0
        for statement in _STATEMENTS.split(text):
            code = await _run_statement(process, statement, programs)
        return code

    return script


def _repeat(program: Program) -> Program:
    async def endless(process: Process, words: Sequence[str]) -> NoReturn:
        while True:
            await program(process, words)
            await trio.sleep(MOMENT)

    return endless


def _read_after(program: Program) -> Program:
    async def reading(process: Process, words: Sequence[str]) -> NoReturn:
        await program(process, words)
        while True:
            await process.print(f"got: {await process.read_line()}")

    return reading


async def _run_statement(process: Process, statement: str, programs: Mapping[str, Program]) -> int:
    match _to_words(statement):
        case []:
            return 0
        case ["exec", name, *words] | [name, *words]:
            if name in programs:
                return await programs[name](process, words)
            await process.print(f"/bin/sh: {name}: not found")
            return 127
        case _:
            await process.print("/bin/sh: syntax error")
            return 2


def _to_words(text: str) -> list[str] | None:
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # an unclosed quote
        return None
