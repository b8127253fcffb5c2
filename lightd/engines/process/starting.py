"""Starts a supervisor: it is spawned, reports that it is ready, readers attach, and it is sent ``go``.

If the daemon is killed before ``go``, the supervisor finds its socket closed and exits without running
anything.
"""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.container.engine import EngineRefused, EngineUnavailable
from lightd.engines.process import control_socket, shim

COMMAND: Final = (sys.executable, "-I", "-S", shim.__file__)
TROUBLE: Final = "trouble"
SAID: Final = 500


@attrs.define(eq=False)
class Starting:
    """A supervisor that waits for ``go``."""

    _stream: trio.SocketStream
    _folder: Path

    async def go(self) -> float:
        """Start the program; returns the time since when it runs. Raises ``EngineRefused``."""
        await self._stream.send_all(b"go\n")
        answer, _ = await control_socket.read_line(self._stream)
        word, _, rest = answer.partition(" ")
        match word:
            case "started":
                return float(rest)
            case "refused":
                raise EngineRefused(rest)
            case _:
                raise EngineUnavailable(f"The supervisor of the program was killed: {_said(self._folder)}")


@asynccontextmanager
async def open_supervisor(folder: Path, lock: int, supervisor: Sequence[str]) -> AsyncIterator[Starting]:
    """Spawn the supervisor of ``folder`` and pass it ``lock``; it exits if it is not started with ``go``."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)  # noqa: FBT003 - the standard library's own
        await trio.to_thread.run_sync(_spawn, folder, lock, theirs, supervisor)
        theirs.close()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        async with stream:
            ready, _ = await control_socket.read_line(stream)
            if ready != "ready":
                raise EngineUnavailable(f"The supervisor of the program cannot be started: {_said(folder)}")
            yield Starting(stream, folder)


def _spawn(folder: Path, lock: int, control: socket.socket, supervisor: Sequence[str]) -> None:
    command = [*supervisor, str(folder), str(lock)]
    with (folder / TROUBLE).open("wb") as trouble:
        try:
            subprocess.run(  # noqa: S603 - our own interpreter and script
                command,
                stdin=control.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=trouble,
                pass_fds=(lock,),
                check=False,
                cwd=folder,
            )
        except OSError as error:
            raise EngineUnavailable(
                f"The supervisor of the program cannot be started: {error.strerror}"
            ) from None


def _said(folder: Path) -> str:
    """The last line that a supervisor wrote to its standard error."""
    try:
        lines = (folder / TROUBLE).read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1][:SAID] if lines else "it printed no error"
