"""Kernel limits that a node with many servers reaches first."""

import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.journal.inspection import holder

SLOW: Final = "check /proc: a process may hang"
FILES: Final = (1024, 8192)
"""Below the first, there are too few open files for lightd itself; below the second, for many viewers."""

KERNEL: Final = {
    "fs/inotify/max_user_instances": 128,
    "fs/inotify/max_user_watches": 8192,
    "kernel/pid_max": 32768,
}
"""Minimum values by name below ``/proc/sys``. All servers of one user share the first two."""

CROWDED: Final = (0.7, 0.9)
_AREA = Area("limits")


async def look(subject: Subject, tell: Tell) -> None:
    """Check the limits of the running daemon, or those of a daemon started from this shell."""
    findings = await trio.to_thread.run_sync(_read, subject, abandon_on_cancel=True)
    for finding in findings:
        tell(finding)


def _read(subject: Subject) -> list[Finding]:
    files, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[1], "a lightd started from this shell"
    if subject.configuration is not None:
        pid = holder(subject.configuration.storage.base_path / "lightd.db", subject.proc)
        told = None if pid is None else _of_process(subject.proc / str(pid) / "limits")
        if told is not None:
            files, whose = told, "the running daemon"
    values = {name: _number(subject.proc / "sys" / name) for name in KERNEL}
    return [
        *to_files(files, whose),
        *to_kernel(values),
        *to_tasks(_tasks(subject.proc), values["kernel/pid_max"]),
    ]


def to_files(files: int, whose: str) -> Iterator[Finding]:
    """The finding for a limit of open files. Pure; -1 means unlimited."""
    text = f"{whose} can open {'any number of' if files < 0 else files} files"
    mend = "set LimitNOFILE=65536 in its systemd unit, or ulimit -Hn"
    if 0 <= files < FILES[0]:
        yield _AREA.bad("files", text, mend)
    elif 0 <= files < FILES[1]:
        yield _AREA.doubtful("files", text, mend)
    else:
        yield _AREA.good("files", text)


def to_kernel(values: dict[str, int | None]) -> Iterator[Finding]:
    """The findings for kernel settings. Pure."""
    for path, least in KERNEL.items():
        name, value = path.replace("/", "."), values[path]
        if value is None:
            yield _AREA.unseen(name, f"cannot read {name}")
        elif value < least:
            yield _AREA.doubtful(name, f"{name} is {value}", f"sysctl -w {name}={least}")
        else:
            yield _AREA.good(name, f"{name} is {value}")


def to_tasks(tasks: int | None, most: int | None) -> Iterator[Finding]:
    """The finding for the number of processes and threads. Pure."""
    if tasks is None or not most:
        return
    text = f"{tasks} processes and threads, maximum {most}"
    mend = "list them with ps -eLf, or: sysctl -w kernel.pid_max=4194304"
    if tasks >= CROWDED[1] * most:
        yield _AREA.bad("pids", text, mend)
    elif tasks >= CROWDED[0] * most:
        yield _AREA.doubtful("pids", text, mend)
    else:
        yield _AREA.good("pids", text)


def _tasks(proc: Path) -> int | None:
    try:
        found = re.search(r" \d+/(\d+) ", (proc / "loadavg").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _of_process(path: Path) -> int | None:
    try:
        found = re.search(r"^Max open files +\S+ +(\d+)", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
