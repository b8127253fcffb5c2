"""The process that packs and unpacks: ``python -m lightd.files.archiver``, started by ``archiving``.

It reads one job as JSON from its input and finds the jail's descriptor inherited. It writes lines of JSON:
``{"bytes": n}`` now and then for what it worked through, and at its end ``{"answer": n}``, or ``{"refused":
class, "message": sentence}``. On SIGTERM it cleans up and goes, and so it does when the daemon dies. Of that
the kernel tells by a signal, which it sends too when merely the daemon's thread ends that started the process
(prctl(2), PR_SET_PDEATHSIG): so it looks whose child it is then.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from typing import Any, Final, NoReturn

import attrs

from lightd.files import errors, packing, unpacking
from lightd.files.archives import Ceilings
from lightd.files.jail import Jail, Owner
from lightd.files.paths import RelativePath
from lightd.files.resolve import best

MEMORY: Final = 1 << 30  # bytes of address space: what a hostile archive may make it use
EVERY: Final = 0.5  # seconds between two lines of progress
NICENESS: Final = 5

_PR_SET_PDEATHSIG = 1


@attrs.define(eq=False)
class _Progress:
    """A pace that tells how far it is."""

    bytes: int = 0
    told_at: float = 0

    def __call__(self, count: int) -> None:
        self.bytes += count
        if (now := time.monotonic()) - self.told_at >= EVERY:
            self.told_at = now
            _tell(bytes=self.bytes)


def main() -> None:
    signal.signal(signal.SIGTERM, _go)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(NICENESS)
    job = json.load(sys.stdin)
    _go_with(job["daemon"])
    try:
        _tell(answer=_work(job))
    except errors.FileRefused as refused:
        _tell(refused=type(refused).__name__, message=str(refused))


def _go(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _go_with(daemon: int) -> None:
    """Go as soon as the process of that id has gone."""

    def look(*_: object) -> None:
        if os.getppid() != daemon:
            _go()

    signal.signal(signal.SIGHUP, look)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    look()


def _work(job: dict[str, Any]) -> int:
    jail = Jail(job["root"], best())
    owner = Owner(*job["owner"]) if job["owner"] else None
    paths = [RelativePath(tuple(parts)) for parts in job["sources"]]
    target = RelativePath(tuple(job["target"]))
    if job["do"] == "compress":
        return packing.compress(jail, paths, target, job["kind"], owner, _Progress())
    return unpacking.extract(jail, paths[0], target, owner, _Progress(), Ceilings(**job["ceilings"]))


def _tell(**line: object) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - to the daemon, through a pipe


if __name__ == "__main__":
    main()
