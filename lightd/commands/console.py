"""``lightd console ID``: a live console with input, a line at a time.

The terminal stays as it is, with its own line editing; only its second end of line becomes ctrl-], so that
this detaches at once. Lines are shown as ``screen`` lets them through, colours and nothing else: a frame has
whole lines, so there is no full-screen program to be served by letting more through.

Where input is no terminal it is sent to its end, at a pace that the daemon takes; then comes one more
question, whose answer says that every line before it was taken.
"""

import argparse
import errno
import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import attrs
import trio

from lightd.commands import logs, screen
from lightd.commands.client import Client
from lightd.commands.output import DIM, Output
from lightd.commands.trouble import FAILED
from lightd.commands.viewing import Frame, Viewing

LINES: Final = 20
DETACH: Final = b"\x1d"
PACE: Final = 0.06  # seconds a line: the daemon takes 20 frames a second
_LARGEST_SIZE: Final = 1000
_CC: Final = 6  # where a terminal's control characters are among its attributes


@attrs.define(eq=False)
class Attended:
    """A console with somebody at it. ``refused`` says that a line was not taken."""

    output: Output
    printed: logs.Printed
    json: bool = False
    refused: bool = False
    taken: trio.Event = attrs.field(factory=trio.Event)

    def take(self, frame: Frame) -> None:
        """Show what a frame says."""
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
            case _:
                self.printed.take(frame)

    def _tell(self, sentence: str) -> None:
        text = f"[lightd] {screen.to_name(sentence)}"
        self.output.line(f"{DIM}{text}{screen.RESET}" if self.output.colours else text)


def to_end(frame: Frame) -> str:
    """How a process ended, in a sentence. Pure."""
    code = frame.get("code")
    told = "The process ended" if code is None else f"The process ended with exit code {code}"
    memory = ", for using more memory than it may" if frame.get("oom_killed") else ""
    return f"{told}{memory}{': nobody asked for that' if frame.get('crashed') else ''}"


async def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Show the console and send what is typed, until either side ends."""
    limit = LINES if args.lines is None else args.lines
    console = Attended(output, logs.Printed(output, args.json), args.json)
    await logs.show_end(client, args.id, limit, console.printed)
    viewing = Viewing(client.address, f"/ws/{args.id}", console.printed.to_query, console.take, output.note)
    if output.width is not None:
        viewing.joined = partial(_resize, viewing)
    detached = False
    with _detaching_at_once(0):
        if os.isatty(0):
            output.note(f"attached to {args.id}; press Ctrl-] or Ctrl-D to detach (the server keeps running)")
        async with trio.open_nursery() as nursery:

            async def type_in() -> None:
                nonlocal detached
                await _send_input(viewing, console)
                detached = True
                nursery.cancel_scope.cancel()

            nursery.start_soon(type_in)
            await viewing.follow()
            nursery.cancel_scope.cancel()
    output.note("detached" if detached else f"container {args.id} was deleted")
    return FAILED if console.refused and not os.isatty(0) else 0


async def _send_input(viewing: Viewing, console: Attended) -> None:
    """Send what is typed, line by line, up to the end of input or the key that detaches."""
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
    """What standard input has by now, nothing at its end. No thread waits in it, which would outlive us."""
    try:
        await trio.lowlevel.wait_readable(0)
    except OSError as error:
        if error.errno != errno.EPERM:  # a file, which is always ready
            raise
    return os.read(0, 65536)


async def _resize(viewing: Viewing) -> None:
    """Have the console be as large as this terminal, now and whenever that changes."""
    with trio.open_signal_receiver(signal.SIGWINCH) as changes:
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            columns, rows = (min(max(each, 1), _LARGEST_SIZE) for each in size)
            await viewing.send("resize", columns=columns, rows=rows)
            await anext(changes)


@contextmanager
def _detaching_at_once(descriptor: int) -> Iterator[None]:
    """Within the block ctrl-] ends a line, without being echoed into the next one."""
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
