"""Installers with an image of their own, the log of an installation, and all that can end one early."""

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container.console import installation
from actors.container.console.log import LogUnavailable
from actors.container.engine import Role
from actors.container.performer import KEEP_TIMEOUT
from actors.container.spec import Installer
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

IMAGE = "installers:1"
SPEC = a_spec(install=Installer(IMAGE, "bash", "echo one; sleep 5; echo two"))


def pulls(engine):
    return [call.subject for call in engine.calls if call.name == "ensure_image"]


def images(world):
    return [line for line in world.member().console.notes.tail(100).items if line.startswith("Pull")]


async def install_log(world):
    found = await installation.read(world.member().console)
    return None if found is None else (found.attempt, found.code, [line.text for line in found.lines])


async def until_printed(world, text):
    with trio.fail_after(1000):
        while text not in world.console():
            await trio.sleep(0.01)


async def test_installers_image_is_pulled_before_the_script_runs(autojump_clock):
    async with open_world(registry=[IMAGE]) as world:
        await world.create(SPEC)
        await world.wait(Phase.OFFLINE)
        assert images(world) == [f"Pulling {IMAGE}", f"Pulled {IMAGE}"]
        assert world.names()[:4] == ["Created", "ImageEnsured", "ScriptFinished", "Installed"]
        assert world.console() == ["one", "two"]


async def test_installer_that_has_the_servers_image_is_pulled_once(autojump_clock):
    spec = attrs.evolve(SPEC, pull="always", install=attrs.evolve(SPEC.install, image=SPEC.image))
    async with open_world(registry=[SPEC.image]) as world:
        await world.create(spec)
        await world.wait(Phase.OFFLINE)
        assert pulls(world.engine) == [SPEC.image]


async def test_installers_image_that_is_missing_fails_the_installation(autojump_clock):
    async with open_world() as world:
        await world.create(SPEC)
        await world.wait(Phase.FAILED)
        assert world.state().error == f"There is no image {IMAGE}"
        assert await install_log(world) is None
        world.engine.images.add(IMAGE)
        await world.tell(messages.Reinstall())
        await world.wait(Phase.OFFLINE)
        assert await install_log(world) == (2, 0, ["one", "two"])


async def test_reinstallation_without_the_script_needs_no_installers_image(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(SPEC)
        await world.wait(Phase.OFFLINE)
        world.engine.images.discard(IMAGE)
        await world.tell(messages.Reinstall(run_script=False))
        await world.member().wait_until(lambda view: view.state.attempt == 2)
        assert await install_log(world) == (1, 0, ["one", "two"])


async def test_reinstallation_whose_installers_image_is_missing_leaves_the_server_running(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.running(SPEC)
        await world.tell(messages.Reinstall(install=Installer("nowhere:1", "sh", "echo three")))
        await world.member().wait_until(lambda view: view.state.change is None and view.state.attempts == 2)
        assert world.state().phase is Phase.RUNNING
        assert world.state().spec.install == SPEC.install
        assert world.events()[-1] == events.ChangeFailed(2, "failed", "There is no image nowhere:1")


async def test_reinstallation_replaces_a_script_by_an_installer_and_the_other_way_round(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(a_spec(install_script="echo scripted"))
        await world.wait(Phase.OFFLINE)
        for command, printed in (
            (messages.Reinstall(install=SPEC.install), ["one", "two"]),
            (messages.Reinstall(), ["one", "two"]),
            (messages.Reinstall(install_script="echo again"), ["again"]),
            (messages.Edit(install=Installer(IMAGE, "sh", "echo edited")), ["again"]),
            (messages.Reinstall(), ["edited"]),
            (messages.Edit(install=Installer("", "", "")), ["edited"]),
        ):
            attempts = world.state().attempts + isinstance(command, messages.Reinstall)
            await world.tell(command)
            await world.member().wait_until(lambda view, n=attempts: view.state.attempt == n)
            assert (await install_log(world))[2] == printed
            spec = world.state().spec
            assert spec.install is None or spec.install_script is None
        assert not world.state().spec.installs


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
async def test_installation_that_is_aborted_keeps_its_log(autojump_clock, command):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(SPEC)
        await until_printed(world, "one")
        assert await install_log(world) == (1, None, ["one"])
        await world.tell(command)
        await world.wait(Phase.FAILED)
        await trio.sleep(1)
        assert await world.engine.list() == []
        assert await install_log(world) == (1, None, ["one"])
        assert world.state().error == "cancelled on request"


async def test_installation_that_is_deleted_leaves_nothing(autojump_clock):
    log = MemoryConsoleLog()
    journal = MemoryJournal(virtual_clock())
    async with (
        fake.open_fake_engine(images=[fake.RIG_IMAGE, IMAGE]) as engine,
        open_daemon(journal, engine, log) as world,
    ):
        await world.wait_engine()
        await world.create(SPEC)
        await until_printed(world, "one")
        await world.tell(messages.Delete())
        await world.wait_gone()
        await trio.sleep(5)
        assert await engine.list() == []
        assert await log.installation("s1") is None


async def test_installation_that_is_aborted_while_its_image_is_pulled_runs_nothing(autojump_clock):
    async with open_world(registry=[IMAGE]) as world:
        world.engine.pull_seconds = 10
        await world.create(SPEC)
        await trio.sleep(5)
        await world.tell(messages.Stop())
        await world.wait(Phase.FAILED)
        await trio.sleep(20)
        assert [call.name for call in world.engine.calls if call.name == "create_installer"] == []
        assert await install_log(world) is None


async def test_script_that_fails_tells_its_code_in_the_log(autojump_clock):
    spec = attrs.evolve(SPEC, install=Installer(IMAGE, "bash", "echo one; exit 9"))
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(spec)
        await world.wait(Phase.FAILED)
        assert world.state().error == "the install script ended with exit code 9"
        assert await install_log(world) == (1, 9, ["one"])


async def test_script_that_takes_too_long_is_ended_and_keeps_its_log(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(attrs.evolve(SPEC, install_timeout=2.0))
        await world.wait(Phase.FAILED)
        await trio.sleep(1)
        assert await install_log(world) == (1, None, ["one"])
        assert await world.engine.list() == []


async def test_daemon_that_is_killed_during_an_installation_goes_on_with_it_and_its_log(autojump_clock):
    log, journal = MemoryConsoleLog(), MemoryJournal(virtual_clock())
    async with fake.open_fake_engine(images=[fake.RIG_IMAGE, IMAGE]) as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await world.create(SPEC)
            await until_printed(world, "one")
            await trio.sleep(1)
        async with open_daemon(journal, engine, log) as world:
            await world.wait(Phase.OFFLINE)
            assert await install_log(world) == (1, 0, ["one", "two"])
            found = await installation.read(world.member().console)
            assert found.began_at < found.ended_at
            assert [call.name for call in engine.calls].count("create_installer") >= 2
            assert world.names().count("ScriptFinished") == 1
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            assert await install_log(world) == (1, 0, ["one", "two"])


async def test_engine_that_is_gone_during_an_installation_repeats_no_line_of_its_log(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(SPEC)
        await until_printed(world, "one")
        world.engine.go_down()
        await trio.sleep(2)
        world.engine.come_back()
        await world.wait(Phase.OFFLINE)
        assert await install_log(world) == (1, 0, ["one", "two"])


async def test_attempt_whose_script_runs_is_in_the_state(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE], registry=[IMAGE]) as world:
        await world.create(SPEC)
        assert world.state().installing is None
        await world.wait(Phase.SCRIPTING)
        assert world.state().installing == 1
        await world.wait(Phase.OFFLINE)
        assert world.state().installing is None
        await world.tell(messages.Reinstall())
        await world.wait(Phase.REINSTALLING)
        assert world.state().installing == 2
        await trio.sleep(1)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert world.state().installing is None
        assert await install_log(world) == (2, None, ["one"])


async def test_stream_that_ends_early_is_read_again_without_repeating_a_line_of_the_log(autojump_clock):
    async with open_world(images=[fake.RIG_IMAGE, IMAGE]) as world:
        await world.create(SPEC)
        await until_printed(world, "one")
        world.engine._names["s1", Role.INSTALLER].cut()
        await trio.sleep(2)
        assert await install_log(world) == (1, None, ["one"])
        await world.wait(Phase.OFFLINE)
        assert await install_log(world) == (1, 0, ["one", "two"])


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize(
    "name", ["ensure_image", "create_installer", "start", "attach", "wait_end", "inspect"]
)
async def test_installation_goes_on_after_any_call_has_failed(autojump_clock, name, moment):
    failed = []

    async def fail_once(call, at):
        if call.name == name and at is moment and not failed:
            failed.append(call)
            raise fake.engine.EngineUnavailable("not now")

    async with open_world(images=[fake.RIG_IMAGE, IMAGE], faults=fail_once) as world:
        await world.create(SPEC)
        await world.wait(Phase.OFFLINE)
        assert failed
        assert await install_log(world) == (1, 0, ["one", "two"])


async def test_log_of_an_installation_has_its_newest_lines(autojump_clock):
    async def chatter(process, _words):
        for number in range(1, 30_001):
            await process.print(f"line {number}")
        return 0

    spec = attrs.evolve(SPEC, install=Installer(IMAGE, "bash", "chatter"))
    async with open_world(images=[fake.RIG_IMAGE, IMAGE], programs_too={"chatter": chatter}) as world:
        await world.create(spec)
        await world.wait(Phase.OFFLINE)
        found = await installation.read(world.member().console)
        assert (found.lines[-1].number, found.lines[-1].text) == (30_000, "line 30000")
        assert (len(found.lines), found.left_out) == (10_000, 20_000)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert await installation.read(world.member().console) == found


async def test_log_that_cannot_be_kept_or_read_fails_no_installation(autojump_clock, caplog):
    class BrokenLog(MemoryConsoleLog):
        async def keep_installation(self, internal_id, log):
            raise LogUnavailable("Input/output error")

        async def installation(self, internal_id):
            raise LogUnavailable("Input/output error")

    journal = MemoryJournal(virtual_clock())
    async with (
        fake.open_fake_engine(images=[fake.RIG_IMAGE, IMAGE]) as engine,
        open_daemon(journal, engine, BrokenLog()) as world,
    ):
        await world.wait_engine()
        await world.create(SPEC)
        await world.wait(Phase.OFFLINE)
        assert await install_log(world) is None
    told = [record.getMessage() for record in caplog.records]
    for done in ("written", "read"):
        assert f"the install log of s1 cannot be {done}: Input/output error" in told


@pytest.mark.parametrize("seconds", [1, 1000])
async def test_log_that_is_slow_holds_up_an_installation_for_a_moment_only(autojump_clock, seconds):
    class SlowLog(MemoryConsoleLog):
        async def keep_installation(self, internal_id, log):
            await trio.sleep(seconds)
            await super().keep_installation(internal_id, log)

    journal = MemoryJournal(virtual_clock())
    async with (
        fake.open_fake_engine(images=[fake.RIG_IMAGE, IMAGE]) as engine,
        open_daemon(journal, engine, SlowLog()) as world,
    ):
        await world.wait_engine()
        await world.create(SPEC)
        with trio.fail_after(5 + KEEP_TIMEOUT + 1):
            await world.wait(Phase.OFFLINE)
        kept = (1, 0, ["one", "two"]) if seconds < KEEP_TIMEOUT else None
        assert await install_log(world) == kept


async def test_log_of_an_installation_is_bounded_in_size(autojump_clock):
    async def chatter(process, _words):
        for _ in range(100):
            await process.print("x" * 10_000)
        return 0

    spec = attrs.evolve(SPEC, install=Installer(IMAGE, "bash", "chatter"))
    async with open_world(images=[fake.RIG_IMAGE, IMAGE], programs_too={"chatter": chatter}) as world:
        await world.create(spec)
        await world.wait(Phase.OFFLINE)
        found = await installation.read(world.member().console)
        assert (len(found.lines), found.left_out) == (52, 48)
