"""Packs and unpacks archives for the daemon, in a separate process that can be cancelled and limited.

What the process writes is charged: it requests room through its output and is answered through a pipe.

A cancellation sends SIGTERM, on which the process removes its partial result. If it does not end within five
seconds it is killed, and leaves a temporary file that ``uploads.sweep_parts`` removes.

A process that has worked for ``AT_A_TIME`` while an archive of another volume waits is paused until its next
turn: SIGUSR1 makes it wait for a line on its input.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import Any, Final, TypeVar

import attrs
import trio

from lightd.files import errors
from lightd.files.archives import Ceilings, Kind, kinds
from lightd.files.charging import Amount
from lightd.files.jail import Jail, Owner
from lightd.files.paths import RelativePath
from lightd.files.quota.allowance import Allowance, unlimited
from lightd.files.shares import Turn

T = TypeVar("T")

AT_A_TIME: Final = 5.0
"""Seconds of work between two checks whether an archive of another volume waits."""

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_COMMAND: Final = (sys.executable, "-P", "-m", "lightd.files.archiver")
_REFUSALS = {refusal.__name__: refusal for refusal in errors.FileRefused.__subclasses__()}

Progress = Callable[[int], None]


class ArchiverFailed(Exception):  # noqa: N818 - said of the process, which is ours
    """The process ended without an answer: it was killed, or has a bug."""


async def compress(
    jail: Jail,
    sources: Sequence[RelativePath],
    output: RelativePath,
    kind: Kind,
    owner: Owner | None,
    progress: Progress = lambda _: None,
    turn: Turn | None = None,
    allowance: Allowance | None = None,
    *,
    whole: bool = False,
) -> int:
    """Like ``packing.compress``; ``progress`` is called twice a second with the number of bytes read.

    It works in ``turn``, if given. Raises ``InvalidArchive`` for an unsupported format.
    """
    if kind not in kinds():
        raise errors.InvalidArchive(f"Archives in the format {kind} are not supported by this node")
    job = {"do": "compress", "kind": kind, "whole": whole}
    return await _run(jail, sources, output, owner, progress, turn, allowance, **job)


async def extract(
    jail: Jail,
    archive: RelativePath,
    destination: RelativePath,
    owner: Owner | None,
    progress: Progress = lambda _: None,
    turn: Turn | None = None,
    allowance: Allowance | None = None,
    ceilings: Ceilings | None = None,
) -> int:
    """Like ``unpacking.extract``; ``progress`` is called twice a second with the number of bytes written."""
    limits = ceilings and attrs.asdict(ceilings)
    job = {"do": "extract", "ceilings": limits}
    return await _run(jail, [archive], destination, owner, progress, turn, allowance, **job)


async def _run(
    jail: Jail,
    sources: Sequence[RelativePath],
    target: RelativePath,
    owner: Owner | None,
    progress: Progress,
    turn: Turn | None,
    allowance: Allowance | None,
    **job: object,
) -> int:
    job |= {
        "daemon": os.getpid(),
        "root": jail.root,
        "owner": owner and (owner.uid, owner.gid),
        "sources": [path.parts for path in sources],
        "target": target.parts,
        "denied": list(jail.denied.lists),
    }
    answer: dict[str, Any] = {}
    allowance = allowance or unlimited()
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        reading, writing = os.pipe()
        grants = await stack.enter_async_context(trio.lowlevel.FdStream(writing))
        stack.callback(os.close, reading)
        job["grants"] = reading
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                check=False,
                pass_fds=(jail.root, reading),
                cwd="/",
                env={"PYTHONPATH": _ROOT, "PYTHONUTF8": "1"},
            )
        )
        stack.push_async_callback(trio.aclose_forcefully, _there(process.stdin))  # when the process has ended
        stack.push_async_callback(trio.aclose_forcefully, _there(process.stdout))
        async with trio.open_nursery() as beside:
            begun = trio.Event()
            if turn is not None:
                beside.start_soon(_take_turns, process, turn, begun)
            async with aclosing(_talk(process, json.dumps(job).encode())) as lines:
                async for line in lines:
                    begun.set()
                    answer = json.loads(line)
                    if "bytes" in answer:
                        progress(answer["bytes"])
                    elif "wants" in answer:
                        await _grant(grants, allowance, answer)
            allowance.use(allowance.ready)  # it does not report what it used of the last grant
            beside.cancel_scope.cancel()
    match answer:
        case {"answer": int(done)}:
            return done
        case {"refused": str(name), "message": str(message)}:
            raise _REFUSALS[name](message)
        case _:
            raise ArchiverFailed(
                f"The archiver ended with exit code {process.returncode} and without an answer"
            )


async def _talk(process: trio.Process, job: bytes) -> AsyncGenerator[bytes, None]:
    """Send the process its job, and yield the lines of its output."""
    with suppress(trio.BrokenResourceError):  # it has ended already without any output
        await _there(process.stdin).send_all(job + b"\n")
    rest = b""
    async for piece in _there(process.stdout):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line


async def _grant(grants: trio.abc.SendStream, allowance: Allowance, asked: Mapping[str, Any]) -> None:
    """Answer a request of the process for room."""
    answer: dict[str, object]
    allowance.use(Amount(*asked["used"]))
    try:
        await allowance.prepare(Amount(*asked["wants"]), Amount(*asked["more"]))
    except errors.FileRefused as refused:
        answer = {"refused": type(refused).__name__, "message": str(refused)}
    else:
        answer = {"granted": attrs.astuple(allowance.ready)}
    await grants.send_all(json.dumps(answer).encode() + b"\n")


async def _take_turns(process: trio.Process, turn: Turn, begun: trio.Event) -> None:
    """Pause the process, when it has ``begun``, whenever it has worked for long and another one waits."""
    await begun.wait()
    while True:
        await trio.sleep(AT_A_TIME)
        if turn.share.is_wanted(turn):
            process.send_signal(signal.SIGUSR1)
            await turn.pass_on()
            with suppress(trio.BrokenResourceError):
                await _there(process.stdin).send_all(b"\n")


def _there(pipe: T | None) -> T:
    """A pipe of a process that was started with one."""
    assert pipe is not None  # noqa: S101 - for the type checker
    return pipe
