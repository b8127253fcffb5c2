"""A process that has loaded all of lightd, and makes daemons of copies of itself.

Loading a daemon takes longer than most tests need one for. A copy is an ordinary process with its own
arguments, folder, environment and exit code; only its modules are already imported. ``ForkServer`` is the
tests' side of it, ``main`` the process itself.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import attrs

MEASURED = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def to_unmeasured():
    """The environment without what has a Python measure its lines, which doubles the time it takes."""
    return {name: value for name, value in os.environ.items() if name not in MEASURED}


@attrs.define(eq=False)
class Copy:
    """A daemon: as much of ``subprocess.Popen`` as tests ask one for."""

    _fork_server: "ForkServer"
    _number: int
    pid: int
    returncode: int | None = None

    def poll(self):
        return self._wait(0)

    def wait(self, timeout=None):
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired("lightd", timeout)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def _wait(self, seconds):
        if self.returncode is None:
            self.returncode = self._fork_server.wait_code(self._number, seconds)
        return self.returncode


@attrs.define(eq=False)
class ForkServer:
    """Made by ``open_fork_server``. It tells of each copy's beginning and end; both are read when asked for.

    Copies are numbered: the system gives a number of a process again to another.
    """

    _process: subprocess.Popen
    _told: bytes = b""
    _pids: dict[int, int] = attrs.field(factory=dict)
    _codes: dict[int, int] = attrs.field(factory=dict)
    _started: int = 0

    def start(self, arguments, *, log, folder):
        """Return a copy that runs ``lightd`` with these arguments in ``folder``, and writes to ``log``."""
        order = {
            "arguments": [str(each) for each in arguments],
            "log": str(log),
            "folder": str(folder),
            "environ": dict(os.environ),
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        self._started += 1
        while self._started not in self._pids:
            self._read()
        return Copy(self, self._started, self._pids[self._started])

    def wait_code(self, number, seconds):
        """Return a copy's exit code, None if it still runs after ``seconds`` (None: for ever)."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while number not in self._codes:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            if not select.select([self._process.stdout], [], [], left)[0]:
                return None
            self._read()
        return self._codes[number]

    def _read(self):
        """Wait for what is told, and take all of it in."""
        more = os.read(self._process.stdout.fileno(), 65536)
        assert more, "the fork server is broken"
        *lines, self._told = (self._told + more).split(b"\n")
        for line in lines:
            number, pid, code = json.loads(line)
            if code is None:
                self._pids[number] = pid
            else:
                self._codes[number] = code


@contextmanager
def open_fork_server():
    """Yield a fork server; at the end its daemons are on their own."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0, env=to_unmeasured()) as process:
        yield ForkServer(process)


def main():
    """Become a daemon for each line that comes: the copy does, this process goes on until its input ends."""
    from lightd import daemon  # noqa: F401, PLC0415 - to have been loaded is what a fork server is for
    from lightd.cli import main as cli  # noqa: PLC0415 - the same

    running, told, number = {}, b"", 0
    while True:
        for ready in select.select([0, *running], [], [])[0]:
            if ready:
                ended, pid = running.pop(ready)
                os.close(ready)
                _tell(ended, pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                continue
            more = os.read(0, 65536)
            if not more:
                return None
            *lines, told = (told + more).split(b"\n")
            for line in lines:
                if (pid := os.fork()) == 0:
                    for descriptor in running:
                        os.close(descriptor)
                    _settle(**json.loads(line))
                    return cli.main()
                number += 1
                running[os.pidfd_open(pid)] = number, pid
                _tell(number, pid, None)


def _settle(arguments, log, folder, environ):
    """Have what a process of one's own has from its beginning."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["lightd", *arguments]
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, standard)
    os.close(written)
    os.close(nothing)
    if any(name in environ for name in MEASURED):
        import coverage  # noqa: PLC0415 - where it is measured, it is there

        coverage.process_startup()


def _tell(number, pid, code):
    os.write(1, json.dumps([number, pid, code]).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
