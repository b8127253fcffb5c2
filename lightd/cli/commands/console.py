"""``lightd console ID``: a live console with input, one line at a time.

The terminal keeps its mode and its own line editing; only its second end-of-line character becomes Ctrl-], so
that this key detaches immediately. Lines are filtered by ``screen``, which keeps colours and nothing else.
Frames contain whole lines, so full-screen programs would not work in any case.

If input is not a terminal, it is sent to its end, at a rate that the daemon accepts; then one more request
is sent, whose response shows that every line before it was accepted.
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

from lightd.cli.commands import logs, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.live import Frame, Live
from lightd.cli.commands.output import DIM, Output
from lightd.cli.commands.sentences import to_end
from lightd.cli.commands.trouble import FAILED
from lightd.cli.commands.viewing import Viewing

LINES: Final = 20
DETACH: Final = b"\x1d"
PACE: Final = 0.06  # seconds per line: the daemon accepts 20 frames per second
_LARGEST_SIZE: Final = 1000
_CC: Final = 6  # index of the control characters in a terminal's attributes


@attrs.define(eq=False)
class Attended:
    """A console that a user is attached to. ``refused`` is true if a line was rejected."""

    output: Output
    printed: logs.Printed
    json: bool = False
    refused: bool = False
    taken: trio.Event = attrs.field(factory=trio.Event)

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
            case _:
                self.printed.take(frame)

    def _tell(self, sentence: str) -> None:
        text = f"[lightd] {screen.to_name(sentence[:1].upper() + sentence[1:])}"
        self.output.line(f"{DIM}{text}{screen.RESET}" if self.output.colours else text)


def run(args: argparse.Namespace, client: Client, output: Output) -> Live:
    """Print the end of the console, and return what attaches to it."""
    console = Attended(output, logs.Printed(output, args.json), args.json)
    logs.show_end(client, args.id, LINES if args.lines is None else args.lines, console.printed)
    return partial(_attach, args, client, output, console)


async def _attach(args: argparse.Namespace, client: Client, output: Output, console: Attended) -> int:
    """Print the console and send what is typed, until one side ends."""
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
    return os.read(0, 65536)


async def _resize(viewing: Viewing) -> None:
    """Set the console's size to that of this terminal, now and on every change."""
    with trio.open_signal_receiver(signal.SIGWINCH) as changes:
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            columns, rows = (min(max(each, 1), _LARGEST_SIZE) for each in size)
            await viewing.send("resize", columns=columns, rows=rows)
            await anext(changes)


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
