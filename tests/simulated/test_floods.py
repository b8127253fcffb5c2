"""A process that prints as fast as it can: what becomes of its lines, and how long a step of the loop is."""

import time

import attrs
import pytest
import trio
import trio.lowlevel

from actors.container import messages
from actors.container.console.console import Readiness
from actors.container.console.follower import SHORT
from actors.container.state import Phase
from lightd.http.live.hub import open_hub
from tests.simulated.pages import Page, look_on
from tests.simulated.world import a_spec, open_world

CHUNK = 256 * 1024
LONGEST = 0.2
"""Seconds of processor that one step may take here: lines looked at one by one are 0.4 to 1 s a chunk."""


@attrs.define(eq=False, slots=False)
class Meter(trio.abc.Instrument):
    """The longest step of any task but the one that measures, in seconds of processor."""

    own: object = attrs.field(factory=trio.lowlevel.current_task)
    longest: float = 0.0
    _began: float = 0.0

    def before_task_step(self, task):
        self._began = time.thread_time()

    def after_task_step(self, task):
        if task is not self.own:
            self.longest = max(self.longest, time.thread_time() - self._began)


def emitter(world):
    container = world.engine._find(world.member().state.engine_id)
    return lambda data: container.emit(world.journal.clock(), data)


async def starting(world, pattern):
    """A container that has started and not become ready, and what prints on its console."""
    await world.create(a_spec(startup_command="sleep 10000", start_pattern=pattern, tty=False))
    await world.wait(Phase.OFFLINE)
    await world.tell(messages.Start())
    await world.wait(Phase.LOADING)
    await trio.sleep(1)
    return emitter(world)


UNITS = [
    b"y\n",
    b"\n",
    b"x" * 199 + b"\n",
    b"x",
    b"\x1b[31mred\x1b[0m\n",
    b"\x1b",
    b"\x1b[",
    b"\x1b]0;",
    b"a\b",
    b"aaaaaaaa\b\b\b\b\b\b\b\b",
    b"\b",
    b"\r\x1b[K10%",
    b"a\r",
    b"\b\r",
    b"> \rx\n",
    b"aaaaaaaa\x1b[8D\x1b[P\x1b[@",
    b"\r",
    b"\0",
    b"\xff\n",
    b"\xe2\x82",
    b"\x80",
    "€".encode(),
]


@pytest.mark.parametrize("unit", UNITS)
async def test_flood_of_whatever_takes_the_loop_in_short_steps(autojump_clock, unit):
    async with open_world() as world, open_hub(world.bus) as stations, trio.open_nursery() as nursery:
        emit = await starting(world, "^never( seen)?$")
        nursery.start_soon(look_on, stations, world.member(), Page())
        await trio.sleep(1)
        meter = Meter()
        trio.lowlevel.add_instrument(meter)
        for _ in range(4):
            emit(unit * (CHUNK // len(unit)))
            await trio.sleep(0.5)
        trio.lowlevel.remove_instrument(meter)
        assert meter.longest < LONGEST
        assert world.member().state.phase is Phase.LOADING
        emit(b"\nnever\n")
        await world.wait(Phase.RUNNING)
        nursery.cancel_scope.cancel()


async def test_program_that_draws_over_its_line_without_end_is_read_with_pauses(autojump_clock):
    async with open_world() as world:
        emit = await starting(world, "^Done$")
        began = trio.current_time()
        for _ in range(4):
            emit(b"a\b" * (CHUNK // 2))
            await trio.lowlevel.checkpoint()
        emit(b"\x1b[KDone\n")
        await world.wait(Phase.RUNNING)
        assert 0.25 <= trio.current_time() - began <= 2


@pytest.mark.parametrize("line", [b"Done", b"\x1b[32mDone\x1b[0m\r", b"Donee\b"])
@pytest.mark.parametrize("before", [0, 1, 70_000, 131_000])
async def test_start_pattern_is_found_wherever_in_a_flood_it_is(autojump_clock, line, before):
    async with open_world() as world:
        emit = await starting(world, "^Done$")
        emit(b"y\n" * before + line + b"\n" + b"y\n" * (131_070 - before))
        await world.wait(Phase.RUNNING)
        assert world.member().console.lines.last >= 131_000


async def test_start_pattern_is_found_in_a_line_that_two_chunks_share(autojump_clock):
    async with open_world() as world:
        emit = await starting(world, "^Done here$")
        emit(b"y\n" * 130_000 + b"Do")
        await trio.sleep(0.1)
        emit(b"ne")
        await trio.sleep(0.1)
        assert world.member().state.phase is Phase.LOADING
        emit(b" here")  # and no end
        await world.wait(Phase.RUNNING)


async def test_no_match_is_made_of_two_lines(autojump_clock):
    async with open_world() as world:
        emit = await starting(world, "(?s)one.two|one\\s+two|^$")
        emit(b"one\ntwo\n" * 30_000)
        await trio.sleep(1)
        assert world.member().state.phase is Phase.LOADING
        emit(b"one\x07 two\n")
        await world.wait(Phase.RUNNING)


async def test_long_unfinished_line_may_grow_between_two_looks_at_it(autojump_clock, monkeypatch):
    looks = []
    look = Readiness.look
    monkeypatch.setattr(Readiness, "look", lambda self, data: looks.append(data) or look(self, data))
    async with open_world() as world:
        emit = await starting(world, "Done$")
        emit(b"." * (SHORT + 1))
        await trio.sleep(1)
        looks.clear()
        for _ in range(100):
            emit(b".")
            await trio.sleep(0.001)
        emit(b"Done")
        await world.wait(Phase.RUNNING)
        assert len(looks) < 20


@attrs.define(eq=False)
class Slow:
    """A pattern that is never quick, and takes a second for each slice; ``found`` has what is looked for."""

    found: bytes
    seconds: float = 0.0
    searched: list = attrs.field(factory=list)

    def __call__(self, lines):
        return self.found in lines

    def is_quick(self, size):
        return size < 100

    async def search(self, lines):
        self.searched.append(lines)
        self.seconds += 1.0
        await trio.sleep(1)
        return self(lines)


async def test_slow_pattern_is_looked_for_in_a_part_of_each_chunk_elsewhere(autojump_clock, monkeypatch):
    slow = Slow(b"Done")
    async with open_world() as world:
        monkeypatch.setattr(world.fleet, "compile_pattern", lambda pattern, texts: slow)
        emit = await starting(world, "Done")
        for _ in range(3):
            emit(b"yes\n" * 50_000 + b"Done\n")
            await trio.sleep(10)
        assert len(slow.searched) == 3
        assert world.member().state.phase is Phase.LOADING
        emit(b"Done\n")
        await world.wait(Phase.RUNNING)


async def test_readiness_without_a_pattern_finds_nothing():
    assert not await Readiness(None).look(b"anything")
    assert Readiness(None).seconds == 0.0


async def test_lines_missed_in_a_flood_are_counted_exactly(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations, trio.open_nursery() as nursery:
        emit = await starting(world, "never")
        page = Page()
        nursery.start_soon(look_on, stations, world.member(), page)
        await trio.sleep(1)
        line = world.member().console.lines.last
        for _ in range(30):
            emit(b"y\n" * (CHUNK // 2))
            await trio.sleep(0.01)
        emit(b"the last line\n")
        await trio.sleep(5)
        gaps = 0
        for frame in page.told:
            if frame["event"] == "gap":
                line += frame["missed"]
                gaps += frame["missed"]
                assert frame["next_line"] == line + 1
            elif frame["event"] == "console":
                assert frame["line"] == line + 1
                line += frame["data"].count("\n")
        assert line == world.member().console.lines.last == 30 * CHUNK // 2 + 1
        assert page.text.endswith("y\nthe last line\n")
        assert 0 < gaps < line
        found = await world.member().console.end(10_000)
        assert [line.number for line in found] == list(range(line - 9_999, line + 1))
        nursery.cancel_scope.cancel()


async def test_viewer_that_joins_a_flood_begins_at_what_is_shown(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations, trio.open_nursery() as nursery:
        emit = await starting(world, "never")

        async def flood():
            while True:
                emit(b"y\n" * 20_000)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(flood)
        with stations.container(world.member()) as station:
            for _ in range(5):
                with trio.fail_after(60):
                    viewer = await station.join(Page())
                assert viewer.cut.position == world.member().view.position
                viewer.leave()
        nursery.cancel_scope.cancel()
