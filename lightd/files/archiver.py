"""The process that packs and unpacks archives: ``python -m lightd.files.archiver``, started by ``archiving``.

It reads one job as a line of JSON from its stdin and inherits the jail's descriptor. It writes lines of JSON:
``{"bytes": n}`` as its progress, and at the end ``{"answer": n}``, or
``{"refused": class, "message": sentence}``. On SIGTERM it cleans up and exits, and also when the daemon dies.
The kernel signals the latter (prctl(2), PR_SET_PDEATHSIG), but also when only the thread ends that started
the process; therefore it checks its parent. On SIGUSR1 it waits for another line, and exits if none comes.

Before it adds anything to the volume, it requests room and waits for a line in a pipe, the job's ``grants``.
``{"wants": …, "more": …, "used": …}`` (each ``[bytes, entries]``) is what it needs, what it can use in
addition, and what it has used of the last grant. ``{"granted": …}`` is what it can use now; otherwise the
line is a refusal.

A hostile archive can require any amount of memory and time. The kernel limits the memory, and kills this
process first if the host has none left. Time is measured as CPU time, so that a slow disk or a pause does not
count: there is a limit for the whole job, and one for a single step.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from typing import IO, Any, Final, NoReturn

import attrs

from lightd.files import errors, packing, unpacking
from lightd.files.archives import Ceilings
from lightd.files.charging import NOTHING, PIECE, Amount
from lightd.files.denying import DenyList
from lightd.files.jail import Jail, Owner
from lightd.files.paths import RelativePath
from lightd.files.resolve import best

MEMORY: Final = 1 << 30  # bytes of address space
SECONDS: Final = 4 * 3600  # seconds of CPU time: a hundred gigabytes packed by bzip2
STEP: Final = 60  # seconds of CPU time for one name or one MiB
GRACE: Final = 60  # seconds of CPU time for cleaning up, after which the kernel kills the process
OOM_SCORE: Final = 500  # of 1000 (proc(5), oom_score_adj)
EVERY: Final = 0.5  # seconds between two lines of progress
NICENESS: Final = 5
MORE: Final = Amount(PIECE, 64)  # requested beyond the need, so that there is not one request for each file

_PR_SET_PDEATHSIG = 1


@attrs.define(eq=False)
class _Progress:
    """A pace that reports the progress."""

    bytes: int = 0
    told_at: float = 0

    def __call__(self, count: int) -> None:
        signal.setitimer(signal.ITIMER_PROF, STEP)
        self.bytes += count
        if (now := time.monotonic()) - self.told_at >= EVERY:
            self.told_at = now
            _tell(bytes=self.bytes)


@attrs.define(eq=False)
class _Grants:
    """A charge that asks the daemon, which answers in the pipe ``answers``."""

    answers: IO[bytes] | None = None
    granted: Amount = NOTHING
    used: Amount = NOTHING
    refused: BaseException | None = None

    def __call__(self, count: int, entries: int) -> None:
        if self.refused is not None:
            raise self.refused
        wants = Amount(count, entries)
        if not self.granted.holds(self.used + wants):
            self._ask(wants)
        self.used += wants

    def _ask(self, wants: Amount) -> None:
        assert self.answers is not None  # noqa: S101 - for the type checker: it is opened with the job
        _tell(wants=attrs.astuple(wants), more=attrs.astuple(MORE), used=attrs.astuple(self.used))
        line = self.answers.readline()
        if not line:
            _go()
        match json.loads(line):
            case {"granted": granted}:
                self.granted, self.used = Amount(*granted), NOTHING
            case refused:
                self.refused = getattr(errors, refused["refused"])(refused["message"])
                raise self.refused


_GRANTS: Final = _Grants()


def main() -> None:
    signal.signal(signal.SIGTERM, _go)
    signal.signal(signal.SIGUSR1, _pause)
    _limit()
    job = json.loads(sys.stdin.buffer.readline())
    _go_with(job["daemon"])
    try:
        _tell(answer=_work(job))
    except errors.FileRefused as refused:
        _tell(refused=type(refused).__name__, message=str(refused))


def _limit() -> None:
    os.nice(NICENESS)
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"%d" % OOM_SCORE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + GRACE))
    _refuse_on(signal.SIGXCPU, f"The archive needs more than {SECONDS} seconds of CPU time")
    _refuse_on(signal.SIGPROF, f"The archive made no progress in {STEP} seconds of CPU time")


def _refuse_on(number: signal.Signals, message: str) -> None:
    """Refuse the job at the first signal; later ones do not interrupt the clean-up."""

    def refuse(*_: object) -> NoReturn:
        for each in (signal.SIGXCPU, signal.SIGPROF):
            signal.signal(each, signal.SIG_IGN)
        _GRANTS.refused = errors.InvalidArchive(message)
        raise _GRANTS.refused

    signal.signal(number, refuse)


def _pause(*_: object) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        _go()


def _go(*_: object) -> NoReturn:
    _GRANTS.refused = SystemExit(128 + signal.SIGTERM)  # no daemon answers any more, and files are flushed
    raise _GRANTS.refused


def _go_with(daemon: int) -> None:
    """Exit when the process with this id has ended."""

    def look(*_: object) -> None:
        if os.getppid() != daemon:
            _go()

    signal.signal(signal.SIGHUP, look)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    look()


def _work(job: dict[str, Any]) -> int:
    _GRANTS.answers = os.fdopen(job["grants"], "rb")
    jail = Jail(job["root"], best(), charge=_GRANTS, denied=DenyList.of(map(tuple, job["denied"])))
    owner = Owner(*job["owner"]) if job["owner"] else None
    paths = [RelativePath(tuple(parts)) for parts in job["sources"]]
    target = RelativePath(tuple(job["target"]))
    if job["do"] == "compress":
        compress = partial(packing.compress, whole=True) if job["whole"] else packing.compress
        return compress(jail, paths, target, job["kind"], owner, _Progress())
    ceilings = Ceilings(**job["ceilings"]) if job["ceilings"] else None
    return unpacking.extract(jail, paths[0], target, owner, _Progress(), ceilings)


def _tell(**line: object) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - to the daemon, through a pipe


if __name__ == "__main__":
    main()
