"""Unfinished lines and their viewers: each order in which output, time, viewers and daemons can come.

1. Output changes the line, and ``UNFINISHED_DELAY`` later viewers are sent it.
2. Its end comes before that time: viewers are sent the finished line alone.
3. It goes on after that: again one frame for all changes within the delay.
4. A viewer joins before, between and after these.
5. The process ends, the stream is opened again, or another daemon goes on.
"""

import itertools
import json

import pytest
import trio

from actors.container import messages
from actors.container.console.console import UNFINISHED_DELAY, Console
from actors.container.console.log_writer import LogWriter
from actors.container.console.scrollback import Lines
from actors.container.state import Phase
from actors.kernel.ephemeral import Wake
from lightd.http.live.hub import open_hub
from lightd.http.routes import history
from tests.simulated.pages import Page, look_on, to_values
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake


def emitter(world):
    container = world.engine._find(world.member().state.engine_id)
    return lambda data: container.emit(world.journal.clock(), data)


def shown(page):
    """The console frames: text, number, and whether it is unfinished."""
    return [
        (frame["data"], frame["line"], frame.get("partial", False))
        for frame in page.told
        if frame["event"] == "console"
    ]


async def running(world):
    await world.create(a_spec(startup_command="sleep 10000", start_pattern=None))
    await world.wait(Phase.OFFLINE)
    await world.tell(messages.Start())
    await world.wait(Phase.RUNNING)
    await trio.sleep(1)
    return emitter(world)


@pytest.fixture
async def attended(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations, trio.open_nursery() as nursery:
        emit = await running(world)
        page = Page()
        nursery.start_soon(look_on, stations, world.member(), page)
        await trio.sleep(1)
        yield world, stations, nursery, emit, page
        nursery.cancel_scope.cancel()


async def test_unfinished_line_is_sent_soon_and_keeps_its_number(autojump_clock, attended):
    _, _, _, emit, page = attended
    emit(b"one\nChoose World: ")
    began = trio.current_time()
    await trio.sleep(1)
    assert shown(page) == [("one\n", 1, False), ("Choose World: ", 2, True)]
    assert page.frames[-1][0] - began <= UNFINISHED_DELAY + 0.05 <= 0.2
    await trio.sleep(100)
    assert len(shown(page)) == 2
    emit(b"5\nnext\n")
    await trio.sleep(1)
    assert shown(page)[2:] == [("Choose World: 5\nnext\n", 2, False)]
    at = [frame["at"] for frame in page.told if frame["event"] == "console"]
    assert at == sorted(at)
    assert at[2] - at[1] == pytest.approx(101, abs=0.5)


async def test_line_that_is_finished_in_time_is_sent_once(autojump_clock, attended):
    _, _, _, emit, page = attended
    for piece in (b"a", b"b", b"c\n"):
        emit(piece)
        await trio.sleep(UNFINISHED_DELAY / 3)
    await trio.sleep(1)
    assert shown(page) == [("abc\n", 1, False)]


async def test_end_that_comes_with_the_timer_is_sent_after_it_or_alone(autojump_clock, attended):
    _, _, _, emit, page = attended
    for number in range(20):
        emit(b"a")
        await trio.sleep(UNFINISHED_DELAY - 0.005 + number / 2000)
        emit(b"b\n")
        await trio.sleep(1)
    frames, line = shown(page), 0
    while frames:
        data, number, partial = frames.pop(0)
        if partial:
            assert (data, number) == ("a", line + 1)
            data, number, partial = frames.pop(0)
        line += 1
        assert (data, number, partial) == ("ab\n", line, False)
    assert line == 20


async def test_progress_bar_is_sent_at_most_ten_times_a_second_and_its_end_at_once(autojump_clock, attended):
    _, _, _, emit, page = attended
    for step in range(1000):
        emit(b"\rLoading %d%%\x1b[K" % (step // 10))
        await trio.sleep(0.01)
    frames = shown(page)
    assert 30 <= len(frames) <= 100
    assert {(number, partial) for _, number, partial in frames} == {(1, True)}
    assert [data for data, _, _ in frames[:2]] == ["Loading 1%", "Loading 2%"]
    times = [at for at, _ in page.frames]
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(times))
    emit(b"\rDone\x1b[K\n")
    await trio.sleep(0.05)
    assert shown(page)[-1] == ("Done\n", 1, False)
    console = attended[0].member().console
    assert console.lines.last == 1


async def test_lines_and_changes_in_turn_are_sent_at_most_ten_times_a_second_each(autojump_clock, attended):
    _, _, _, emit, page = attended
    for number in range(300):
        emit(b"line %d\n> " % number)
        await trio.sleep(0.05)
    assert not any(partial for _, _, partial in shown(page))
    await trio.sleep(1)
    assert shown(page)[-1] == ("> ", 301, True)


async def test_line_that_was_erased_is_sent_as_empty_and_one_that_nobody_saw_is_not_sent(
    autojump_clock, attended
):
    _, _, _, emit, page = attended
    emit(b"50%")
    await trio.sleep(1)
    emit(b"\r\x1b[K")
    await trio.sleep(1)
    assert shown(page) == [("50%", 1, True), ("", 1, True)]
    emit(b"> \r\x1b[K")
    await trio.sleep(1)
    emit(b"\rx\r\x1b[K")
    await trio.sleep(1)
    assert len(shown(page)) == 2


async def test_viewer_that_joins_is_sent_the_unfinished_line_as_others_have_it(autojump_clock, attended):
    world, stations, _, emit, _ = attended
    emit(b"one\n> ")
    await trio.sleep(1)
    async with trio.open_nursery() as others:
        with stations.container(world.member()) as channel:
            assert next(to_values(channel.source.to_unfinished(1)))["data"] == "> "
            assert channel.source.to_unfinished(0) == b""
            late = Page()
            others.start_soon(look_on, stations, world.member(), late)
            await trio.sleep(1)
            emit(b"x\n")
            await trio.sleep(1)
            assert channel.source.to_unfinished(2) == b""
        assert shown(late) == [("> x\n", 2, False)]  # the greeting is the session's
        others.cancel_scope.cancel()


async def test_first_viewer_is_sent_a_line_that_has_waited_for_long(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations:
        emit = await running(world)
        emit(b"> ")
        await trio.sleep(100)
        with stations.container(world.member()) as channel:
            await channel.join(Page())
            assert next(to_values(channel.source.to_unfinished(0)))["data"] == "> "


async def test_viewers_with_other_permissions_are_sent_each_change_too(autojump_clock, attended):
    world, stations, nursery, emit, page = attended
    other, deaf = Page(), Page()

    async def look(kinds, page):
        with stations.container(world.member(), frozenset(kinds)) as channel:
            viewer = await channel.join(page)
            await viewer.follow()

    nursery.start_soon(look, ["console"], other)
    nursery.start_soon(look, ["stats"], deaf)
    await trio.sleep(1)
    for text in (b"a", b"b", b"c"):
        emit(text)
        await trio.sleep(1)
    assert shown(page) == shown(other) == [("a", 1, True), ("ab", 1, True), ("abc", 1, True)]
    assert shown(deaf) == []


async def test_viewer_that_was_outrun_is_sent_the_unfinished_line_again(autojump_clock, attended):
    world, stations, _, emit, _ = attended
    emit(b"one\n> ")
    await trio.sleep(1)
    with stations.container(world.member()) as channel:
        since, until = (type(channel.source.cut)(line, channel.source.cut.position) for line in (0, 1))
        lost = [value async for framed in channel.source.lost(since, until) for value in to_values(framed)]
    assert [frame["event"] for frame in lost] == ["gap", "console"]
    assert (lost[1]["data"], lost[1]["line"], lost[1]["partial"]) == ("> ", 2, True)


async def test_unfinished_line_of_a_process_that_ends_is_its_last_line(autojump_clock, attended):
    world, _, _, emit, page = attended
    emit(b"Choose World: ")
    await trio.sleep(1)
    await world.tell(messages.Kill())
    await world.wait(Phase.OFFLINE)
    await trio.sleep(1)
    assert shown(page) == [("Choose World: ", 1, True), ("Choose World: \n", 1, False)]
    kinds = [frame.get("data") for frame in page.told]
    assert kinds.index("Choose World: \n") < kinds.index("exit")


async def test_unfinished_line_stays_when_the_stream_is_opened_again(autojump_clock, attended):
    world, _, _, emit, page = attended
    emit(b"one\n> ")
    await trio.sleep(1)
    container = world.engine._find(world.member().state.engine_id)
    container.cut()
    await trio.sleep(5)
    assert world.member().console.unfinished == "> "
    assert shown(page) == [("one\n", 1, False), ("> ", 2, True)]
    emit(b"x")
    await trio.sleep(1)
    emit(b"y\n")
    await trio.sleep(5)
    assert shown(page)[2:] == [("> x", 2, True), ("> xy\n", 2, False)]


async def test_end_of_the_console_has_the_unfinished_line_marked(autojump_clock, attended):
    world, _, _, emit, _ = attended
    console = world.member().console

    async def logs(limit):
        return next(to_values(await history.to_logs(console, limit)))

    emit(b"Choose World: ")
    await trio.sleep(UNFINISHED_DELAY / 2)
    assert "partial" not in await logs(5)
    await trio.sleep(1)
    frame = await logs(5)
    assert (frame["data"], frame["line"], frame["partial"]) == ("Choose World: ", 1, True)
    emit(b"5\ntwo\nthree\n> ")
    await trio.sleep(1)
    frame = await logs(3)
    assert (frame["data"], frame["line"], frame["partial"]) == ("two\nthree\n> ", 2, True)
    frame = await logs(1)
    assert (frame["data"], frame["line"], frame["partial"]) == ("> ", 4, True)
    found, unfinished = await history._end(console, 10)
    assert [line.number for line in found] == [1, 2, 3]
    assert (unfinished.number, unfinished.text) == (4, "> ")


async def test_line_that_is_finished_while_the_end_is_read_is_there_once(
    autojump_clock, attended, monkeypatch
):
    world, _, _, emit, _ = attended
    console = world.member().console
    emit(b"one\n> ")
    await trio.sleep(1)
    end = Console.end

    async def slow(console, limit):
        found = await end(console, limit)
        emit(b"x\n> ")
        await trio.sleep(1)
        return found

    monkeypatch.setattr(Console, "end", slow)
    found, unfinished = await history._end(console, 10)
    assert ([line.text for line in found], unfinished) == (["one"], None)


@pytest.mark.parametrize("answer", [b"5\n", b""])
async def test_next_daemon_shows_the_line_that_was_unfinished_when_the_last_one_stopped(
    autojump_clock, answer
):
    log = MemoryConsoleLog()
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            emit = await running(world)
            emit(b"one\nChoose World: ")
            await trio.sleep(1)
        await trio.sleep(1)
        emit(answer)
        await trio.sleep(1)
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await trio.sleep(5)
            console = world.member().console
            if not answer:
                assert (console.unfinished, console.to_shown().number) == ("Choose World: ", 2)
                emit(b"5\n")
                await trio.sleep(5)
            assert console.unfinished == ""
            found = [(line.number, line.text) for line in await console.end(10)]
    assert found == [(1, "one"), (2, "Choose World: 5")]


async def test_unfinished_line_is_not_stored_where_the_line_before_it_is_not():
    log = MemoryConsoleLog()
    writer = LogWriter(log, lambda: 0.0)
    console = Console(Wake(), "s1", writer)
    await console.restore()
    console.begin("a:1")
    console.write(b"> ")
    console.lines.resume(Lines(5, ["four"]))
    console.kept = 3
    writer._due.clear()
    await writer.flush_at_shutdown()
    assert (await log.restore("s1")).unfinished == ""


async def test_hostile_line_costs_its_viewers_little(autojump_clock, attended):
    _, _, _, emit, page = attended
    for _ in range(20):
        emit(b"\x1b[31mr\x1b[32mg" * 10_000)
        await trio.sleep(0.1)
    await trio.sleep(1)
    frames = [(at, len(json.dumps(frame))) for at, frame in page.frames if frame.get("partial")]
    assert len(frames) <= 30
    assert all(size < 200 * 1024 for _, size in frames)
