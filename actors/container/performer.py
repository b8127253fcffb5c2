"""Executes effects: engine calls that end in observations.

Two rules keep the engine's container consistent. Calls that change it (create, start, remove) are made one at
a time, under the lock ``changing``: a cancelled effect has unwound before the next one changes the container,
so a removal can't overtake the creation before it. And if the engine does not answer, the call is repeated
until it does, or until the state no longer requires the effect.

Before a process is started, its volume is prepared under that lock, too, so that no two preparations for a
container overlap. That is done once for each effect, also if the engine must be asked several times.

An exit is reported after the console was read to its end, or after ``DRAIN_TIMEOUT`` seconds.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, assert_never

import attrs
import trio

from actors.container import effects, messages
from actors.container.console import installation
from actors.container.console.console import Console, InputClosed, InputFull, Matcher
from actors.container.console.follower import BACKOFF, Follower
from actors.container.console.lines import to_input
from actors.container.console.log import Installing, InstallLog
from actors.container.console.reader import Reader
from actors.container.console.runs import LiveRun
from actors.container.engine import (
    Engine,
    EngineFault,
    EngineRefused,
    EngineUnavailable,
    Missing,
    Role,
    Snapshot,
)
from actors.container.preparation import NothingToPrepare, Preparer, Unprepared
from actors.container.spec import ContainerSpec
from actors.kernel.mailbox import Ref

T = TypeVar("T")

logger = logging.getLogger(__name__)

DRAIN_TIMEOUT = 2.0
ATTACH_TIMEOUT = 10.0
PREPARATION_TIMEOUT = 60.0
INSTALLER_END_TIMEOUT = 1.0
KEEP_TIMEOUT = 2.0


@attrs.define(eq=False)
class Performer:
    """Does the effects of a container actor.

    All that an effect needs is in its value, but for what the effects of one run do in common: that is in
    ``console.runs``.
    """

    internal_id: str
    engine: Engine
    console: Console
    changing: trio.Lock
    compile_pattern: Callable[[str | None, tuple[str, ...]], Matcher]
    clock: Callable[[], float]
    preparer: Preparer = attrs.field(factory=NothingToPrepare)

    async def __call__(self, effect: effects.Effect, ref: Ref[messages.Message]) -> messages.Message | None:
        """Do ``effect`` and return the observation that it ends in."""
        match effect:
            case effects.EnsureImage():
                return await self._ensure_image(effect)
            case effects.RunInstallScript():
                return await self._run_install_script(effect)
            case effects.WaitInstall():
                await trio.sleep(effect.seconds)
                return messages.InstallTimeElapsed(effect.attempt)
            case effects.CreateInEngine():
                return await self._create(effect)
            case effects.DiscardInstallation():
                return await self._remove(None, *Role)
            case effects.RemoveFromEngine():
                return await self._remove(messages.RemovalReported(effect.attempt), *Role)
            case effects.BuildCandidate():
                return await self._build_candidate(effect)
            case effects.ReplaceInEngine():
                return await self._replace(effect)
            case effects.DiscardChange():
                return await self._remove(None, Role.INSTALLER, Role.CANDIDATE)
            case effects.ApplyLimits():
                return await self._apply_limits(effect)
            case effects.WatchConsole():
                return await self._follow_console(effect, ref)
            case effects.StartInEngine():
                return await self._start(effect)
            case effects.StopInEngine():
                return await self._stop(effect)
            case effects.WaitGrace():
                await trio.sleep(effect.seconds)
                return messages.GraceElapsed(effect.run)
            case effects.KillInEngine():
                return await self._kill(effect)
            case effects.WaitBackoff():
                await trio.sleep(effect.seconds)
                return messages.BackoffElapsed(effect.run)
        assert_never(effect)

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``call`` until the engine answers, and return its result; other errors are raised."""
        failures = 0
        try:
            while True:
                try:
                    return await call()
                except EngineUnavailable as outage:
                    if isinstance(outage, EngineFault):
                        self._report_trouble(outage)
                    failures += 1
                    await trio.sleep(BACKOFF.delay(failures))
        finally:
            self.console.trouble = ""

    def _report_trouble(self, fault: EngineFault) -> None:
        """Show why the engine does not do what this container waits for; it is tried again."""
        reason = f"{fault} (it is tried again)"
        if reason != self.console.trouble:
            self.console.trouble = reason
            self.console.say(f"Error: {reason}")
            logger.warning("container %s: %s", self.internal_id, reason)

    # The installation

    async def _ensure_image(self, effect: effects.EnsureImage) -> messages.Message:
        try:
            await self._persist(lambda: self._ensure(effect.image, effect.pull))
            if (installer := effect.installer) is not None:
                await self._persist(lambda: self._ensure(installer, effect.pull))
        except EngineRefused as refusal:
            return messages.ImageReported(effect.attempt, str(refusal))
        return messages.ImageReported(effect.attempt)

    async def _ensure(self, image: str, pull: str) -> None:
        await self.engine.ensure_image(image, pull, self.console.say)

    async def _run_install_script(self, effect: effects.RunInstallScript) -> messages.Message:
        try:
            return await self._persist(lambda: self._install_once(effect))
        except EngineRefused as refusal:
            return messages.ScriptReported(effect.attempt, error=str(refusal))
        except Missing:
            return messages.ScriptReported(
                effect.attempt, error="the install container was removed outside lightd"
            )

    async def _install_once(self, effect: effects.RunInstallScript) -> messages.Message:
        async with self.changing:
            engine_id = await self.engine.create_installer(effect.spec, effect.attempt)
        async with self.console.reading:
            reader = Reader(self.engine, self.console, engine_id, engine_id, self.clock)
            snapshot: Snapshot | None = None
            try:
                while snapshot is None:
                    await self._read_installer(reader, effect.attempt)
                    with trio.move_on_after(INSTALLER_END_TIMEOUT):
                        snapshot = await self.engine.wait_end(engine_id)
                        if snapshot is None:
                            raise Missing(engine_id)
                reader.end()
            finally:
                with trio.move_on_after(KEEP_TIMEOUT, shield=True):
                    await self._keep_install_log(effect.attempt, snapshot)
                self.console.installing = None
        if snapshot.killed_for:
            return messages.ScriptReported(effect.attempt, error=snapshot.killed_for)
        return messages.ScriptReported(effect.attempt, snapshot.exit_code)

    async def _keep_install_log(self, attempt: int, snapshot: Snapshot | None) -> None:
        """Store what the installer printed; without a ``snapshot`` it was not seen to end."""
        log = InstallLog(attempt, ())
        if snapshot is not None:
            code = None if snapshot.killed_for else snapshot.exit_code
            log = InstallLog(
                attempt, (), 0, snapshot.started_at, snapshot.finished_at, code, snapshot.killed_for
            )
        await installation.keep(self.console, log)

    async def _read_installer(self, reader: Reader, attempt: int) -> None:
        """Start the install script unless it was started, and show its output until the stream ends."""
        engine_id, asked_at = reader.engine_id, self.clock()
        async with self.engine.attach(engine_id) as attachment:
            snapshot = await self.engine.inspect(engine_id)
            if snapshot is None:
                raise Missing(engine_id)
            if snapshot.started_at is None:
                reader.begin()
                self._note_installing(attempt, asked_at)
                async with self.changing:
                    await self.engine.start(engine_id)
            else:
                await reader.make_up(snapshot.started_at, asked_at)
                self._note_installing(attempt, snapshot.started_at)
                if not snapshot.running:
                    return
            while chunk := await attachment.receive():
                await reader.take(chunk)

    def _note_installing(self, attempt: int, began_at: float) -> None:
        """Note that the lines of the present life are those of the installer."""
        self.console.installing = Installing(attempt, self.console.run_starts[-1].line, began_at)

    async def _create(self, effect: effects.CreateInEngine) -> messages.Message:
        async def create() -> str:
            if effect.ensure_image:
                await self._ensure(effect.spec.image, effect.spec.pull)
            async with self.changing:
                if effect.spec.installs:
                    await self.engine.remove(self.internal_id, Role.INSTALLER)
                return await self.engine.create_server(effect.spec, effect.attempt)

        try:
            engine_id = await self._persist(create)
        except EngineRefused as refusal:
            return messages.CreationReported(effect.attempt, error=str(refusal))
        return messages.CreationReported(effect.attempt, engine_id)

    async def _remove(self, report: messages.Message | None, *roles: Role) -> messages.Message | None:
        async def remove() -> None:
            async with self.changing:
                for role in roles:
                    await self.engine.remove(self.internal_id, role)

        while True:
            try:
                await self._persist(remove)
            except EngineRefused as refusal:
                self.console.say(f"Error: {refusal}")
                await trio.sleep(BACKOFF.longest)
            else:
                return report

    # The change

    async def _build_candidate(self, effect: effects.BuildCandidate) -> messages.Message:
        async def build() -> str:
            await self._ensure(effect.spec.image, effect.pull)
            async with self.changing:
                await self.engine.remove(self.internal_id, Role.INSTALLER)
                return await self.engine.create_candidate(effect.spec, effect.installation, effect.fresh)

        try:
            engine_id = await self._persist(build)
        except EngineRefused as refusal:
            return messages.CandidateReported(effect.attempt, error=str(refusal))
        return messages.CandidateReported(effect.attempt, engine_id)

    async def _replace(self, effect: effects.ReplaceInEngine) -> messages.Message:
        async def replace() -> None:
            async with self.changing:
                await self.engine.replace(self.internal_id, effect.candidate)

        try:
            await self._persist(replace)
        except EngineRefused as refusal:
            return messages.ReplacementReported(effect.attempt, str(refusal))
        except Missing:
            return messages.ReplacementReported(
                effect.attempt, "the new container was removed outside lightd"
            )
        return messages.ReplacementReported(effect.attempt)

    async def _apply_limits(self, effect: effects.ApplyLimits) -> messages.Message:
        async def update() -> None:
            async with self.changing:
                await self.engine.update(effect.engine_id, effect.limits)

        try:
            await self._persist(update)
        except EngineRefused as refusal:
            return messages.LimitsReported(effect.limits, str(refusal))
        except Missing:
            pass  # the container that replaces it is created with them
        return messages.LimitsReported(effect.limits)

    # The process

    async def _follow_console(
        self, effect: effects.WatchConsole, ref: Ref[messages.Message]
    ) -> messages.Message:
        run = self.console.runs.get(effect.run, effect.engine_id)
        follower = Follower(self.engine, self.console, effect, run, self.compile_pattern, self.clock)
        return await follower.run(ref)

    async def _start(self, effect: effects.StartInEngine) -> messages.Message:
        run = self.console.runs.get(effect.run, effect.engine_id)
        earlier: set[float | None] = {None, effect.previous}
        resumed, prepared = not run.fresh, False
        with trio.move_on_after(ATTACH_TIMEOUT):
            await run.attached.wait()

        async def start() -> Snapshot | None:
            """Start the process, unless it was already started for this run."""
            nonlocal resumed, prepared
            async with self.changing:
                snapshot = await self.engine.inspect(effect.engine_id)
                if snapshot is None or snapshot.running:
                    return snapshot
                if not resumed:
                    # It was not started for this run: its start was not requested yet.
                    earlier.add(snapshot.started_at)
                    resumed = True
                if snapshot.started_at not in earlier:
                    return snapshot
                if not prepared:
                    await self._prepare(effect.spec)
                    prepared = True
                await self.engine.start(effect.engine_id)
                return await self.engine.inspect(effect.engine_id)

        try:
            snapshot = await self._persist(start)
        except (EngineRefused, Unprepared) as refusal:
            return messages.StartReported(effect.run, error=str(refusal))
        except Missing:
            return messages.StartReported(effect.run)
        run.up.set()
        if snapshot is not None and not snapshot.running:
            await self._drain(run)
            return messages.StartReported(effect.run, snapshot, tail=self.console.tail_of(run.life))
        return messages.StartReported(effect.run, snapshot)

    async def _prepare(self, spec: ContainerSpec) -> None:
        with trio.move_on_after(PREPARATION_TIMEOUT):
            await self.preparer.prepare(spec, self.console.say)
            return
        raise Unprepared(f"its volume was not prepared within {PREPARATION_TIMEOUT:g} seconds")

    async def _stop(self, effect: effects.StopInEngine) -> messages.Message | None:
        run = self.console.runs.get(effect.run, effect.engine_id)
        async with self.changing:
            pass  # a start that was requested before is through
        if effect.policy.type == "signal" and await self._signal(effect.engine_id, effect.policy.value):
            run.up.set()
            return None  # the follower reports how it ends
        snapshot = await self._persist(lambda: self.engine.inspect(effect.engine_id))
        if snapshot is None or not snapshot.running:
            return await self._end(effect, snapshot)
        run.up.set()
        if effect.policy.type == "command":
            await self._send_command(run, to_input(effect.policy.value, tty=effect.tty))
        return None

    async def _send_command(self, run: LiveRun, command: bytes) -> None:
        """Queue ``command`` for the process, waiting until the console accepts input."""
        await run.attached.wait()
        while True:
            try:
                self.console.send_nowait(command)
            except (InputClosed, InputFull):
                await trio.sleep(BACKOFF.first)
            else:
                return

    async def _signal(self, engine_id: str, name: str) -> bool:
        """Send a signal; return true if a process got it."""
        try:
            return await self._persist(lambda: self.engine.signal(engine_id, name))
        except EngineRefused as refusal:
            self.console.say(f"Error: {refusal}")
            return False

    async def _kill(self, effect: effects.KillInEngine) -> messages.Message:
        async with self.changing:
            pass
        while True:
            await self._signal(effect.engine_id, "SIGKILL")
            with trio.move_on_after(BACKOFF.longest):
                snapshot = await self._persist(lambda: self.engine.wait_end(effect.engine_id))
                break
        return await self._end(effect, snapshot)

    async def _end(
        self, effect: effects.StopInEngine | effects.KillInEngine, snapshot: Snapshot | None
    ) -> messages.Message:
        """Report the end of a run after its console was read, if the process ever ran."""
        if snapshot is None or snapshot.started_at not in (None, effect.previous):
            await self._drain(self.console.runs.get(effect.run, effect.engine_id))
        return messages.EndReported(effect.run, snapshot)

    async def _drain(self, run: LiveRun) -> None:
        with trio.move_on_after(DRAIN_TIMEOUT):
            await run.drained.wait()
