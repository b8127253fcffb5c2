"""The program of a run: its plan, its terminal or pipes, and how a process becomes it.

Standard library only, because the supervisor uses it.
"""

import ctypes
import fcntl
import os
import resource
import signal
import struct
import termios
from contextlib import suppress
from typing import Final, NoReturn

ROWS: Final = 30
COLUMNS: Final = 120
DESCRIPTORS: Final = 65536
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38

_libc = ctypes.CDLL(None, use_errno=True)


class Plan:
    """What to execute: ``key=value`` fields, each ended by a NUL, written by ``plan.to_bytes``."""

    def __init__(self, data: bytes) -> None:
        self._fields = [field.partition(b"=") for field in data.split(b"\0") if field]

    def all(self, key: str) -> list[bytes]:
        return [value for name, _, value in self._fields if name == key.encode()]

    def one(self, key: str) -> str:
        return os.fsdecode(self.all(key)[0])


def adopt_orphans() -> None:
    """Make this process the parent of its orphaned descendants (prctl(2))."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def resize(terminal: int, columns: int, rows: int) -> None:
    """Set the size of the terminal; its foreground process is notified."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def become(plan: Plan, stdin: int, stdout: int, report: int) -> NoReturn:
    """Become the program, in the child process of a fork. Errors are written to ``report``."""
    doing = "The program cannot be started"
    try:
        supervisor = os.getppid()
        _take_terminal(plan, stdin, stdout)
        for path in plan.all("group"):
            _join(path)
        _limit()
        os.umask(0o022)
        doing = f"The program cannot be run as {plan.one('uid')}:{plan.one('gid')}"
        _take_user(int(plan.one("uid")), int(plan.one("gid")))
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)
        doing = "The volume cannot be entered"
        os.chdir(plan.one("folder"))
        doing = "The shell cannot be run"
        arguments = plan.all("argument")
        environment = {name: value for name, _, value in (each.partition(b"=") for each in plan.all("set"))}
        _restore_signals()
        os.execve(arguments[0], arguments, environment)  # noqa: S606 - what is asked for
    except OSError as error:
        os.write(report, f"{doing}: {error.strerror}".encode())
    finally:
        os._exit(126)


def _take_terminal(plan: Plan, stdin: int, stdout: int) -> None:
    os.setsid()
    if plan.one("tty") == "1":
        os.fchown(stdin, int(plan.one("uid")), int(plan.one("gid")))
        fcntl.ioctl(stdin, termios.TIOCSCTTY, 0)
    for target, source in ((0, stdin), (1, stdout), (2, stdout)):
        os.dup2(source, target)


def _join(group: bytes) -> None:
    with open(group + b"/cgroup.procs", "wb", buffering=0) as file:
        file.write(b"0")


def _limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"0")  # lightd's own value could protect it at the cost of other processes


def _take_user(uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def _restore_signals() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
