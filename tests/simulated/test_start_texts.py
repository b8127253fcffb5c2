"""Start texts: literal texts on the console that say that a server has started."""

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake

SPEC = a_spec(
    startup_command="game", start_pattern=None, start_texts=(")! For help, type", "Server started (1/2)")
)


def to_game(*pieces):
    async def game(process, _words):
        for piece in pieces:
            await trio.sleep(1)
            await process.write(piece)
        await trio.sleep_forever()

    return {"game": game}


async def starting(world, spec=SPEC):
    await world.create(spec)
    await world.wait(Phase.OFFLINE)
    await world.tell(messages.Start())
    await world.wait(Phase.LOADING)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"[INFO]: Done (3.1s)! For help, type help\n",),
        (b"[INFO]: Done (3.1s)! For h", b"elp, ty", b"pe help\n"),
        (b"loading\nServer \x1b[32mstarted\x1b[0m (1/2)\n",),
        (b"Server \x1b[3", b"2mstarted\x1b[", b"0m (1/2)"),
        (b"Server stopped (1/2)\r\x1b[KServer started (1/2)",),
        (b"x" * 100_000 + b"\n", b"Server started (1/2)\n"),
    ],
)
async def test_text_is_found_across_chunks_and_through_colours(autojump_clock, pieces):
    async with open_world(programs_too=to_game(*pieces)) as world:
        await starting(world)
        await world.wait(Phase.RUNNING)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"Server started [1/2]\n", b"For help, type\n"),
        (b"Server started\n(1/2)\n",),
        (b"Server\nstarted (1/2)", b"\r\x1b[Kempty"),
    ],
)
async def test_text_is_literal_and_within_one_line(autojump_clock, pieces):
    async with open_world(programs_too=to_game(*pieces)) as world:
        await starting(world)
        await trio.sleep(10)
        assert world.state().phase is Phase.LOADING


@pytest.mark.parametrize("line", [b"port 25565\n", b"Server started (1/2)\n"])
async def test_text_or_pattern_is_enough(autojump_clock, line):
    spec = attrs.evolve(SPEC, start_pattern=r"^port \d+$")
    async with open_world(programs_too=to_game(b"a port 1 b\n", line)) as world:
        await starting(world, spec)
        await world.wait(Phase.RUNNING)


async def test_text_that_is_changed_is_looked_for_from_the_next_start_on(autojump_clock):
    async with open_world(programs_too=to_game(b"", b"the map is loaded\n")) as world:
        await starting(world)
        await world.tell(messages.Edit(start_texts=("is loaded",)))
        await trio.sleep(10)
        assert world.state().phase is Phase.LOADING
        await world.tell(messages.Restart())
        await world.wait(Phase.RUNNING)
        await world.tell(messages.Edit(start_texts=()))
        assert world.state().spec.start_texts == ()


async def test_text_that_was_printed_while_lightd_was_down_is_found(autojump_clock):
    log, journal = MemoryConsoleLog(), MemoryJournal(virtual_clock())
    programs = to_game(b"loading\n", b"Server started (1/2)\n", b"more\n")
    async with fake.open_fake_engine(programs_too=programs) as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await starting(world)
        await trio.sleep(10)
        async with open_daemon(journal, engine, log) as world:
            await world.wait(Phase.RUNNING)
