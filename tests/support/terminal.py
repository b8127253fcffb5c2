"""A program on a terminal of its own, as a person has it."""

import fcntl
import os
import pty
import struct
import termios
from contextlib import asynccontextmanager

import attrs
import trio

PATIENCE = 60.0


@attrs.define(eq=False)
class Terminal:
    """A program on a terminal of its own; ``text`` is all that it showed so far."""

    ours: int
    theirs: int
    process: trio.Process
    text: str = ""

    async def read(self):
        while True:
            await trio.lowlevel.wait_readable(self.ours)
            try:
                data = os.read(self.ours, 65536)
            except OSError:  # all ends on the other side are closed
                return
            self.text += data.decode(errors="replace")

    async def until(self, text, times=1):
        with trio.fail_after(PATIENCE):
            while self.text.count(text) < times:
                await trio.sleep(0.01)

    def type(self, text):
        os.write(self.ours, text.encode())

    async def code(self):
        with trio.fail_after(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def on_terminal(environ, *command, columns=100, rows=40):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = await trio.lowlevel.open_process(list(command), env=environ, start_new_session=True, **streams)
    terminal = Terminal(ours, theirs, process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(terminal.read)
            yield terminal
            nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        os.close(ours)
        os.close(theirs)
