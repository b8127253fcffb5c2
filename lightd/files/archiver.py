"""The process that packs and unpacks: ``python -m lightd.files.archiver``, started by ``archiving``.

It reads one job as JSON from its input and finds the jail's descriptor inherited. It writes lines of JSON:
``{"bytes": n}`` now and then for what it worked through, and at its end ``{"answer": n}``, or ``{"refused":
class, "message": sentence}``. On SIGTERM, which it also gets when the daemon dies, it cleans up and goes.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from typing import Any, Final

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
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(NICENESS)
    try:
        _tell(answer=_work(json.load(sys.stdin)))
    except errors.FileRefused as refused:
        _tell(refused=type(refused).__name__, message=str(refused))


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
