"""``lightd console ID``: a live console with input, one line at a time.

On a terminal there is an input line of our own (``prompt``, ``line_editor``), with a history in a file that
only this user can read. Lines are filtered by ``screen``, which keeps colours and nothing else; full-screen
programs do not work. What is typed is shown by the terminal of the process, as its echo; of a process without
one (``tty`` is false) it is printed here.

If input or output is not a terminal, the terminal keeps its mode and its own line editing; only its second
end-of-line character becomes Ctrl-], so that this key detaches immediately. If input is not a terminal, it is
sent to its end, at a rate that the daemon accepts; then one more request is sent, whose response shows that
every line before it was accepted.
"""

import argparse
import errno
import math
import os
import re
import signal
import sys
import termios
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, assert_never

import attrs
import trio

from lightd.cli.commands import logs, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.keys import KeyDecoder
from lightd.cli.commands.line_editor import MOST, LineEditor, Wish
from lightd.cli.commands.live import Frame, Live
from lightd.cli.commands.output import DIM, Output
from lightd.cli.commands.prompt import MARK, NO_PASTES, PASTES, Prompt
from lightd.cli.commands.sentences import to_end
from lightd.cli.commands.trouble import FAILED
from lightd.cli.commands.viewing import Viewing

LINES: Final = 20
DETACH: Final = b"\x1d"
PACE: Final = 0.06  # seconds per line: the daemon accepts 20 frames per second
LEAVING: Final = 2.0  # seconds in which lines that were entered are still sent when a key detaches
HISTORY: Final = "lightd/console_history"
_ESCAPED: Final = re.compile(r"\\([n\\])")  # in the history: a newline or a backslash
_LARGEST_SIZE: Final = 1000
_IFLAG, _LFLAG, _CC = 0, 3, 6  # indices in a terminal's attributes


@attrs.define(eq=False)
class Attended:
    """A console that a user is attached to. ``refused`` is true if a line was rejected."""

    output: Output
    printed: logs.Printed
    json: bool = False
    prompt: Prompt | None = None
    refused: bool = False
    taken: trio.Event = attrs.field(factory=trio.Event)
    _unfinished: int = 0  # the number of the line that the prompt shows

    def take(self, frame: Frame) -> None:
        """Print a frame."""
        match frame["event"]:
            case "daemon_message" if self.json:
                self.output.json({"message": str(frame["data"])})
            case "daemon_message":
                self._tell(str(frame["data"]))
            case "event" if frame["data"] == "exit" and not self.json:
                self._tell(to_end(frame))
            case "error":
                self.refused = True
                self.output.error(str(frame["data"]))
            case "logs":
                self.taken.set()
            case "console" if frame.get("partial"):
                self._begin(frame)
            case _:
                if self.prompt is not None and self._ends(frame):
                    self.prompt.unfinished = ""
                self.printed.take(frame)

    def _begin(self, frame: Frame) -> None:
        """Show the line that the server has not finished."""
        if self.prompt is not None and frame["line"] > (self.printed.last or 0):
            self._unfinished = frame["line"]
            self.prompt.unfinished = screen.to_line(str(frame["data"]), colours=self.output.colours)
            self.prompt.draw()

    def _ends(self, frame: Frame) -> bool:
        """Whether a frame has the unfinished line as a whole, or leaves it behind."""
        match frame["event"]:
            case "console":
                return int(frame["line"]) + str(frame["data"]).count("\n") > self._unfinished
            case "gap":
                return int(frame["next_line"]) > self._unfinished
            case _:
                return False

    def _tell(self, sentence: str) -> None:
        text = f"[lightd] {screen.to_name(sentence[:1].upper() + sentence[1:])}"
        self.output.line(f"{DIM}{text}{screen.RESET}" if self.output.colours else text)


def run(args: argparse.Namespace, client: Client, output: Output) -> Live:
    """Print the end of the console, and return what attaches to it."""
    prompt = None
    echoes = True
    if os.isatty(0) and output.width is not None and not args.json and os.environ.get("TERM") != "dumb":
        echoes = bool(client.ask("GET", f"/containers/{args.id}").get("tty", True))
        prompt = Prompt(sys.stdout, LineEditor(read_history(to_history(os.environ))))
    console = Attended(output, logs.Printed(output, args.json), args.json)
    logs.show_end(client, args.id, LINES if args.lines is None else args.lines, console.printed)
    if prompt is None:
        return partial(_attach, args, client, console)
    above = attrs.evolve(output, out=prompt, err=prompt)  # neither tears the input line
    edited = Attended(above, logs.Printed(above, last=console.printed.last), prompt=prompt)
    return partial(_attach_with_prompt, args, client, edited, prompt, echoes=echoes)


async def _attach(args: argparse.Namespace, client: Client, console: Attended) -> int:
    """Print the console and send the input, until one side ends."""
    output = console.output
    viewing = Viewing(client.address, f"/ws/{args.id}", console.printed.to_query, console.take, output.note)
    if output.width is not None:
        viewing.joined = partial(_resize, viewing)
    with _detaching_at_once(0):
        if os.isatty(0):
            output.note(f"attached to {args.id}; press Ctrl-] or Ctrl-D to detach (the server keeps running)")
        detached = await _until_one_ends(viewing, partial(_send_input, viewing, console))
    output.note("detached" if detached else f"container {args.id} was deleted")
    return FAILED if console.refused and not os.isatty(0) else 0


async def _attach_with_prompt(
    args: argparse.Namespace, client: Client, console: Attended, prompt: Prompt, *, echoes: bool
) -> int:
    """As ``_attach``, with an input line of our own."""
    output = console.output
    viewing = Viewing(client.address, f"/ws/{args.id}", console.printed.to_query, console.take, output.note)
    viewing.joined = partial(_resize, viewing, prompt)
    typed, commands = trio.open_memory_channel[str](math.inf)
    sending = 0

    async def send() -> None:
        nonlocal sending
        async for command in commands:
            if not echoes:
                output.line(screen.to_name(f"{MARK}{command}"))
            sending = 1
            await viewing.send("send_command", command=command)
            sending = 0
            await trio.sleep(PACE)

    async def edit() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            with typed:
                await _edit(prompt, typed)
            nursery.cancel_scope.deadline = trio.current_time() + LEAVING

    with _raw(prompt):
        output.note(f"attached to {args.id}; press Ctrl-] or Ctrl-D to detach (the server keeps running)")
        detached = await _until_one_ends(viewing, edit)
    below = attrs.evolve(output, err=sys.stderr)
    if unsent := sending + commands.statistics().current_buffer_used:
        below.error(f"{unsent} {'line was' if unsent == 1 else 'lines were'} not sent")
    below.note("detached" if detached else f"container {args.id} was deleted")
    return 0


async def _until_one_ends(viewing: Viewing, read: Callable[[], Awaitable[None]]) -> bool:
    """Follow the console and read input; return whether the input ended first."""
    detached = False
    async with trio.open_nursery() as nursery:

        async def type_in() -> None:
            nonlocal detached
            await read()
            detached = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(type_in)
        await viewing.follow()
        nursery.cancel_scope.cancel()
    return detached


async def _edit(prompt: Prompt, typed: trio.MemorySendChannel[str]) -> None:
    """Edit the input line until a key detaches or the terminal is gone; pass its commands to ``typed``."""
    editor, decoder, history = prompt.editor, KeyDecoder(), to_history(os.environ)
    while data := await _read():
        for key in decoder.feed(data):
            match editor.press(key):
                case None:
                    pass
                case Wish.SUBMIT:
                    before = len(editor.history), editor.history[-1:]
                    for command in editor.take():
                        typed.send_nowait(command)
                    if (len(editor.history), editor.history[-1:]) != before:
                        append_history(history, editor.history[-1])
                case Wish.DETACH:
                    return
                case Wish.INTERRUPT:
                    signal.raise_signal(signal.SIGINT)
                case Wish.CLEAR:
                    prompt.clear()
                case Wish.SUSPEND:
                    _suspend(prompt)
                case wish:
                    assert_never(wish)
        prompt.draw()


async def _send_input(viewing: Viewing, console: Attended) -> None:
    """Send what is typed, line by line, up to the end of input or the detach key."""
    terminal = os.isatty(0)
    rest = b""
    while data := await _read():
        typed, detach, _ = data.partition(DETACH) if terminal else (data, b"", b"")
        *lines, rest = (rest + typed).split(b"\n")
        for line in lines:
            await _send(viewing, line, terminal=terminal)
        if detach:
            return
    if not terminal:
        if rest:
            await _send(viewing, rest, terminal=terminal)
        await viewing.send("request_logs", lines=1)
        await console.taken.wait()


async def _send(viewing: Viewing, line: bytes, *, terminal: bool) -> None:
    await viewing.send("send_command", command=line.decode("utf-8", "replace").rstrip("\r"))
    if not terminal:
        await trio.sleep(PACE)


async def _read() -> bytes:
    """The available standard input, empty at its end. No thread blocks in it, as it could not be stopped."""
    try:
        await trio.lowlevel.wait_readable(0)
    except OSError as error:
        if error.errno != errno.EPERM:  # a regular file, which is always readable
            raise
    try:
        return os.read(0, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # the terminal is gone
            return b""
        raise


async def _resize(viewing: Viewing, prompt: Prompt | None = None) -> None:
    """Set the console's size to that of this terminal, now and on every change."""
    with trio.open_signal_receiver(signal.SIGWINCH) as changes:
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            columns, rows = (min(max(each, 1), _LARGEST_SIZE) for each in size)
            await viewing.send("resize", columns=columns, rows=rows)
            await anext(changes)
            if prompt is not None:
                prompt.draw()


# ---- the terminal


@contextmanager
def _raw(prompt: Prompt) -> Iterator[None]:
    """Within the block, every key is read as it is pressed, and the prompt is drawn."""
    before = termios.tcgetattr(0)
    _to_raw(prompt)
    try:
        yield
    finally:
        with suppress(OSError):  # the terminal is gone
            prompt.leave()
        with suppress(OSError, termios.error):
            _to_mode(prompt, before)


def _to_raw(prompt: Prompt) -> None:
    mode = termios.tcgetattr(0)
    mode[_IFLAG] &= ~(termios.ICRNL | termios.INLCR | termios.IXON)
    mode[_LFLAG] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(0, termios.TCSADRAIN, mode)
    prompt.out.write(PASTES)
    prompt.draw()


def _to_mode(prompt: Prompt, mode: list[Any]) -> None:
    termios.tcsetattr(0, termios.TCSADRAIN, mode)
    prompt.out.write(NO_PASTES)
    prompt.out.flush()


def _suspend(prompt: Prompt) -> None:
    """Stop this process, as Ctrl-Z does elsewhere, with the terminal in its usual mode."""
    raw = termios.tcgetattr(0)
    usual = [*raw]
    usual[_IFLAG] |= termios.ICRNL | termios.IXON
    usual[_LFLAG] |= termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN
    prompt.leave()
    _to_mode(prompt, usual)
    os.killpg(0, signal.SIGTSTP)  # without a shell that could continue it, this does nothing
    _to_raw(prompt)


@contextmanager
def _detaching_at_once(descriptor: int) -> Iterator[None]:
    """Within the block Ctrl-] ends a line, so that it is read without Enter."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    changed = [*before[:_CC], [*before[_CC]]]
    changed[_CC][termios.VEOL] = DETACH
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


# ---- the history


def to_history(environ: Mapping[str, str]) -> Path:
    """The file of the history: in ``$XDG_STATE_HOME``, by default ``~/.local/state``."""
    state = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '.'}/.local/state"
    return Path(state) / HISTORY


def read_history(path: Path) -> list[str]:
    """The lines of the file, the oldest first; empty if it cannot be read."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line]
    except OSError:
        return []
    if len(lines) > 2 * MOST:
        _shorten(path, lines[-MOST:])
    return [_ESCAPED.sub(lambda found: "\n" if found[1] == "n" else "\\", line) for line in lines[-MOST:]]


def _shorten(path: Path, lines: Sequence[str]) -> None:
    """Replace the file by one with these lines only."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(part, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.writelines(f"{line}\n" for line in lines)
        part.replace(path)


def append_history(path: Path, line: str) -> None:
    """Add a line to the file, which only this user can read; a file that cannot be written is left out."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(line.replace("\\", "\\\\").replace("\n", "\\n") + "\n")
