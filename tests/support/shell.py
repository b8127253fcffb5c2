"""The commands for people against a served daemon, in the same Trio loop: what they print, as it comes."""

import argparse
import io
from contextlib import asynccontextmanager

import attrs
import trio

from lightd.cli import main
from lightd.cli.commands import run
from lightd.cli.commands.output import Output
from lightd.cli.doctor import visit
from lightd.cli.exception_groups import leaves
from tests.api.front import PATIENCE, TOKEN


class Paper(io.StringIO):
    """What was written, by any thread."""

    async def until(self, text, times=1):
        with trio.fail_after(PATIENCE):
            while self.getvalue().count(text) < times:
                await trio.sleep(0.01)


@attrs.define(eq=False)
class Job:
    out: Paper = attrs.field(factory=Paper)
    err: Paper = attrs.field(factory=Paper)
    code: int | None = None
    ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def told(self):
        return self.code, self.out.getvalue(), self.err.getvalue()

    async def wait(self):
        with trio.fail_after(PATIENCE):
            await self.ended.wait()
        return self.told


@attrs.define(eq=False)
class Shell:
    """Runs ``lightd`` with the token of the tests; ``url`` is where the daemon is, unless a line says it."""

    url: str
    folder: object

    def line(self, *arguments):
        (self.folder / "token").write_text(f"{TOKEN}\n")
        (self.folder / "token").chmod(0o600)
        where = () if "--url" in arguments else ("--url", self.url)
        return (*arguments[:1], *where, "--token-file", str(self.folder / "token"), *arguments[1:])

    async def __call__(self, *arguments, **settings):
        job = Job()
        with trio.fail_after(PATIENCE):
            await self.run(job, *self.line(*arguments), **settings)
        return job.told

    async def run(self, job, *arguments, colours=False, width=None, environ=None):
        args = main._to_parser().parse_args(arguments, argparse.Namespace(config=None, log_format=None))
        output = Output(job.out, job.err, colours, width)
        try:
            outcome = await trio.to_thread.run_sync(run.perform, args, environ or {}, output)
            job.code = outcome if isinstance(outcome, int) else await outcome()
        except Exception as error:  # noqa: BLE001 - as run.run: a sentence, whatever it is
            job.code = run._tell(leaves(error), output)
        finally:
            job.ended.set()

    async def doctor(self, job, *arguments):
        args = main._to_parser().parse_args(["doctor", *arguments])
        job.code = await visit.run(args, {}, Output(job.out, job.err, colours=False, width=None))

    @asynccontextmanager
    async def job(self, *arguments, **settings):
        """A command that goes on; it is interrupted at the end of the block."""
        job = Job()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: self.run(job, *self.line(*arguments), **settings))
            yield job
            nursery.cancel_scope.cancel()
