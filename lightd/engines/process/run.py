"""One run under its supervisor, from ``go`` to its exit record; ``shim`` has the rules.

Standard library only. One thread and one ``poll``: every event is handled at once, and nothing else blocks.
"""

import contextlib
import os
import select
import signal
import socket
import time
from typing import Final

from lightd.engines.process import program
from lightd.engines.process.atomic_file import process_start, record
from lightd.engines.process.connection import READ, Connection
from lightd.engines.process.output_log import OutputLog
from lightd.engines.process.tree import Tree, beneath

UNSENT: Final = 1024 * 1024  # bytes that an attached reader can be behind before the program has to wait
INPUT: Final = 64 * 1024  # bytes of input that wait for the program before the sender has to wait
DRAIN: Final = 2.0  # seconds to read output that a process holds open which cannot be killed
TRIES: Final = 60  # attempts to record an exit, one per second
LINGER: Final = 10.0  # seconds for readers to take the last bytes
RETRY: Final = 0.02  # a terminal whose input is full does not signal when it has room again

IGNORED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGTTOU,
)


class Run:
    """The run of this process; ``lock`` is released when everything is recorded."""

    def __init__(self, folder: str, lock: int) -> None:
        self._folder, self._lock = folder, lock
        with open(f"{folder}/plan", "rb") as file:
            self._plan = program.Plan(file.read())
        self._tree = Tree(
            [os.fsdecode(path) for path in self._plan.all("group")], lambda: beneath(os.getpid())
        )
        self._tape = OutputLog(f"{folder}/log")
        self._tty = self._plan.one("tty") == "1"
        self._pid, self._killed = 0, False
        self._ends: dict[int, int] = {}
        self._connections: list[Connection] = []
        self._input = self._output = -1
        self._theirs: tuple[int, ...] = ()
        self._typed = bytearray()
        self._listener = _listen(folder)
        self._wake = _wake_by_children()

    # ---- from the start to the end

    def serve(self, daemon: Connection) -> None:
        """Wait for the daemon's ``go``, then supervise the program until everything is recorded and sent."""
        daemon.role = "daemon"
        self._connections.append(daemon)
        daemon.send(b"ready\n")
        while not self._pid and not daemon.over:
            self._turn(None)
        if self._pid:
            while self._pid not in self._ends:
                self._turn(None)
                self._reap()
            self._finish()
        else:
            os.unlink(f"{self._folder}/socket")
            self._tree.remove()

    def _begin(self, daemon: Connection) -> None:
        at = time.time()
        stdin, stdout = self._make_ends()
        trouble, report = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            program.become(self._plan, stdin, stdout, report)
        os.close(report)
        with open(trouble, "rb") as file:
            refusal = file.read()
        if refusal:
            daemon.send(b"refused " + refusal + b"\n")
            daemon.close()
            return
        self._pid = pid
        us = os.getpid()
        words = (self._plan.one("life"), repr(at), us, process_start(us), pid)
        try:
            record(f"{self._folder}/life", " ".join(map(str, words)).encode())
        except OSError as error:  # a run without a record could not be found again
            self._tree.end(self._reap)
            self._pid = 0
            daemon.send(f"refused The start cannot be recorded: {error.strerror}\n".encode())
            daemon.close()
            return
        daemon.send(f"started {at!r}\n".encode())
        daemon.close()

    def _make_ends(self) -> tuple[int, int]:
        """Create the program's stdin and output; our ends of them do not block."""
        if self._tty:
            self._output, theirs = os.openpty()
            program.resize(theirs, program.COLUMNS, program.ROWS)
            self._input, stdin, stdout = self._output, theirs, theirs
        else:
            stdin, self._input = os.pipe2(os.O_CLOEXEC)
            self._output, stdout = os.pipe2(os.O_CLOEXEC)
        for ours in (self._input, self._output):
            os.set_blocking(ours, False)
        self._theirs = (stdin, stdout)  # kept open, so that a program that closes them does not end the run
        return self._theirs

    def _finish(self) -> None:
        """After the program has ended: kill its other processes, send its output, then record the exit."""
        self._tree.end(self._reap)
        for descriptor in set(self._theirs):
            os.close(descriptor)
        deadline = time.monotonic() + DRAIN
        while self._output >= 0 and (left := deadline - time.monotonic()) > 0:
            self._turn(left)
            self._reap()
        self._tape.finish()
        status = os.waitstatus_to_exitcode(self._ends[self._pid])
        code = 128 + signal.SIGKILL if self._killed else status if status >= 0 else 128 - status
        oom = int(self._tree.ran_out_of_memory())
        words = (self._plan.one("life"), int(code), oom, repr(time.time()))
        self._record_exit(" ".join(map(str, words)).encode())
        self._tree.remove()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._folder}/socket")
        self._listener.close()
        os.close(self._lock)
        self._close_streams()

    def _record_exit(self, end: bytes) -> None:
        """Record the exit. If the disk is full, try again for a limited time."""
        for _ in range(TRIES):
            try:
                record(f"{self._folder}/exit", end)
            except OSError:
                time.sleep(1)
            else:
                return

    def _close_streams(self) -> None:
        """Close every stream when its reader has taken the last bytes, or after ``LINGER`` seconds."""
        deadline = time.monotonic() + LINGER
        while time.monotonic() < deadline:
            for connection in self._connections:
                if not connection.unsent:
                    connection.close()
            self._forget()
            if not self._connections:
                return
            waiting = select.poll()
            for connection in self._connections:
                waiting.register(connection.stream, select.POLLOUT)
            waiting.poll(1000)
            for connection in self._connections:
                connection.send(b"")

    # ---- one turn

    def _turn(self, seconds: float | None) -> None:
        """Wait for the next events and handle them."""
        if self._typed and self._tty:
            seconds = RETRY if seconds is None else min(RETRY, seconds)
        ready = dict(self._interest().poll(None if seconds is None else seconds * 1000))
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, READ)
        if self._output in ready and ready[self._output] & ~select.POLLOUT:
            self._read_output()
        for connection in [each for each in self._connections if each.stream.fileno() in ready]:
            self._serve(connection, ready[connection.stream.fileno()])
        if self._listener.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._connections.append(Connection(self._listener.accept()[0]))
        self._write_input()
        self._forget()

    def _interest(self) -> select.poll:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._listener.fileno() >= 0:
            poll.register(self._listener, select.POLLIN)
        if self._output >= 0 and all(len(each.unsent) <= UNSENT for each in self._connections):
            poll.register(self._output, select.POLLIN)
        if self._typed and not self._tty:
            poll.register(self._input, select.POLLOUT)
        for connection in self._connections:
            listens = connection.role != "attach" or len(self._typed) < INPUT
            wanted = select.POLLIN * listens | select.POLLOUT * bool(connection.unsent)
            poll.register(connection.stream, wanted)
        return poll

    def _read_output(self) -> None:
        try:
            data = os.read(self._output, READ)
        except BlockingIOError:
            return
        except OSError:  # a terminal that no process has open any more
            data = b""
        if not data:
            os.close(self._output)
            self._output = -1
            if self._tty:
                self._input = -1
            return
        self._tape.write(data)
        for connection in self._connections:
            if connection.role == "attach":
                connection.send(data)

    def _write_input(self) -> None:
        if self._input < 0:
            self._typed.clear()
        if not self._typed:
            return
        try:
            del self._typed[: os.write(self._input, self._typed[:READ])]
        except BlockingIOError:
            return
        except OSError:
            self._typed.clear()  # no process will read it

    def _forget(self) -> None:
        self._connections = [each for each in self._connections if not each.over]

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (end := os.waitpid(-1, os.WNOHANG))[0]:
                self._ends[end[0]] = end[1]

    # ---- commands

    def _serve(self, connection: Connection, ready: int) -> None:
        connection.send(b"")
        if not ready & (select.POLLIN | select.POLLHUP | select.POLLERR) or connection.over:
            return
        data = connection.receive()
        if connection.role == "attach":
            self._typed += data if self._pid else b""
            return
        connection.head += data
        line, end, rest = connection.head.partition(b"\n")
        if end:
            connection.head = rest
            self._obey(connection, line.decode(errors="replace").split())

    def _obey(self, connection: Connection, words: list[str]) -> None:
        match words:
            case ["go"] if connection.role == "daemon":
                self._begin(connection)
            case ["attach" | "watch" as role]:
                connection.role = role
                connection.send(b"ok\n")
                self._typed += connection.head if role == "attach" and self._pid else b""
            case ["signal", number]:
                self._signal(int(number))
                connection.send(b"ok\n")
            case ["resize", columns, rows]:
                if self._tty and self._output >= 0:
                    program.resize(self._output, int(columns), int(rows))
                connection.send(b"ok\n")
            case _:
                connection.close()

    def _signal(self, number: int) -> None:
        """Signal the program, or its group if the plan says so; SIGKILL is for all processes of the run."""
        self._reap()
        if not self._pid or self._pid in self._ends:
            return
        if number == signal.SIGKILL:
            self._killed = True
            self._tree.end(self._reap)
        elif self._plan.one("together") == "1":
            os.killpg(self._pid, number)
        else:
            os.kill(self._pid, number)


def _listen(folder: str) -> socket.socket:
    at = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    path = f"/proc/self/fd/{at}/socket"  # the real path may be too long for a socket address
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.close(at)
    listener.listen(64)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own
    return listener


def _wake_by_children() -> int:
    wake, notify = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    return wake


def main(folder: str, lock: int) -> None:
    """Supervise the run that is planned in ``folder``."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0o077)
    os.chdir("/")
    os.set_inheritable(lock, False)  # noqa: FBT003 - the standard library's own
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    program.adopt_orphans()
    daemon = Connection(socket.socket(fileno=os.dup(0)))
    os.dup2(1, 0)
    Run(folder, lock).serve(daemon)
