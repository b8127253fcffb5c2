"""Packing and unpacking for the daemon: in a process of its own, so that it can be cancelled and bounded.

A cancel sends SIGTERM, on which the process takes away what it began; one that doesn't end within five
seconds is killed, and leaves a part that ``uploads.sweep_parts`` finds.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import attrs
import trio

from lightd.files import errors
from lightd.files.archives import Ceilings, Kind, kinds
from lightd.files.jail import Jail, Owner
from lightd.files.paths import RelativePath
from lightd.files.unpacking import CEILINGS

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_COMMAND: Final = (sys.executable, "-P", "-m", "lightd.files.archiver")
_REFUSALS = {refusal.__name__: refusal for refusal in errors.FileRefused.__subclasses__()}

Told = Callable[[int], None]


class ArchiverFailed(Exception):  # noqa: N818 - said of the process, which is ours
    """The process ended without an answer: killed by somebody else, or wrong."""


async def compress(
    jail: Jail,
    sources: Sequence[RelativePath],
    output: RelativePath,
    kind: Kind,
    owner: Owner | None,
    told: Told = lambda _: None,
) -> int:
    """As ``packing.compress``; ``told`` hears twice a second how many bytes were read.

    Raises ``InvalidArchive`` for a kind that can't be made here.
    """
    if kind not in kinds():
        raise errors.InvalidArchive(f"Archives of the kind {kind} can't be made here")
    return await _run(jail, sources, output, owner, told, do="compress", kind=kind)


async def extract(
    jail: Jail,
    archive: RelativePath,
    destination: RelativePath,
    owner: Owner | None,
    told: Told = lambda _: None,
    ceilings: Ceilings = CEILINGS,
) -> int:
    """As ``unpacking.extract``; ``told`` hears twice a second how many bytes were written."""
    limits = attrs.asdict(ceilings)
    return await _run(jail, [archive], destination, owner, told, do="extract", ceilings=limits)


async def _run(
    jail: Jail,
    sources: Sequence[RelativePath],
    target: RelativePath,
    owner: Owner | None,
    told: Told,
    **job: object,
) -> int:
    job |= {
        "daemon": os.getpid(),
        "root": jail.root,
        "owner": owner and (owner.uid, owner.gid),
        "sources": [path.parts for path in sources],
        "target": target.parts,
    }
    answer: dict[str, object] = {}
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                _COMMAND,
                stdin=json.dumps(job).encode(),
                stdout=subprocess.PIPE,
                check=False,
                pass_fds=(jail.root,),
                cwd="/",
                env={"PYTHONPATH": _ROOT, "PYTHONUTF8": "1"},
            )
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker: it was asked for
        stack.push_async_callback(trio.aclose_forcefully, process.stdout)  # once the process has ended
        rest = b""
        async for piece in process.stdout:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                if "bytes" in answer:
                    told(int(str(answer["bytes"])))
    match answer:
        case {"answer": int(done)}:
            return done
        case {"refused": str(name), "message": str(message)}:
            raise _REFUSALS[name](message)
        case _:
            raise ArchiverFailed(f"The archiver ended with {process.returncode} and without an answer")
