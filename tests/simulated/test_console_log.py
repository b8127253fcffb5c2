"""What is on the consoles is copied to the log, behind everybody's back."""

import logging

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.container import messages
from actors.container.console import log_writer
from actors.container.console.console import Console
from actors.container.console.log import LogUnavailable
from actors.container.console.log_writer import FLUSH_INTERVAL, LogWriter
from actors.container.console.reader import LOST
from actors.container.events import Started
from actors.container.state import Phase
from actors.kernel.ephemeral import Wake
from tests.simulated.world import FullJournal, a_spec, open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake


@attrs.define(eq=False)
class Log(MemoryConsoleLog):
    """Full, broken, or slow."""

    full: bool = False
    broken: bool = False
    seconds: float = 0.0
    calls: list = attrs.field(factory=list)

    async def append(self, entries):
        await trio.sleep(self.seconds)
        self.calls.append(len(entries))
        if self.full:
            return {entry.internal_id: "No space left on device" for entry in entries}
        return await MemoryConsoleLog.append(self, entries)

    async def restore(self, internal_id):
        await trio.sleep(self.seconds)
        return await self._unless_broken(MemoryConsoleLog.restore(self, internal_id))

    async def read(self, *args):
        return await self._unless_broken(MemoryConsoleLog.read(self, *args))

    async def remove(self, internal_id):
        return await self._unless_broken(MemoryConsoleLog.remove(self, internal_id))

    async def sweep(self, keep):
        return await self._unless_broken(MemoryConsoleLog.sweep(self, keep))

    async def _unless_broken(self, work):
        if self.broken:
            work.close()
            raise LogUnavailable("Input/output error")
        return await work

    def numbers(self, internal_id="s1"):
        return [line.number for line in self._lines(internal_id)]

    def texts(self, internal_id="s1"):
        return [line.text for line in self._lines(internal_id)]


async def end(console, limit):
    """The numbers and texts of the last lines."""
    return [(line.number, line.text) for line in await console.end(limit)]


@attrs.define
class Desk:
    """One writer at work, and a console."""

    log: Log
    writer: LogWriter
    console: Console

    def print(self, first, last):
        self.console.append([f"line {number}" for number in range(first, last + 1)])


@pytest.fixture
async def desk(autojump_clock, nursery):
    log = Log(bound=100_000)
    writer = LogWriter(log, lambda: 1_700_000_000.0 + trio.current_time())
    console = Console(Wake(), "s1", writer)
    nursery.start_soon(writer.run)
    async with console.reading:
        pass
    return Desk(log, writer, console)


async def test_printed_line_is_in_the_log_a_moment_later(desk, autojump_clock):
    desk.print(1, 3)
    desk.print(4, 5)
    assert desk.log.calls == []
    await trio.sleep(FLUSH_INTERVAL + 0.01)
    assert desk.log.calls == [1]
    assert desk.log.texts() == [f"line {n}" for n in range(1, 6)]


async def test_full_batch_of_lines_is_written_at_once(desk, autojump_clock):
    desk.print(1, log_writer.FLUSH_LINES)
    await trio.sleep(FLUSH_INTERVAL / 10)
    assert desk.log.numbers() == list(range(1, log_writer.FLUSH_LINES + 1))
    desk.console.append(["x" * log_writer.FLUSH_BYTES])
    await trio.sleep(FLUSH_INTERVAL / 10)
    assert desk.log.numbers()[-1] == log_writer.FLUSH_LINES + 1


async def test_lines_on_their_way_to_the_log_are_copied_at_the_daemons_end(autojump_clock):
    log = Log(seconds=10.0)
    writer = LogWriter(log, trio.current_time)
    kept, left = (Console(Wake(), name, writer) for name in ("s1", "s2"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        kept.append(["one"])
        left.append(["other"])
        await trio.sleep(FLUSH_INTERVAL + 1)
        writer.discard(left)
        nursery.cancel_scope.cancel()
    log.seconds = 0.0
    await writer.flush_at_shutdown()
    assert (log.texts("s1"), log.texts("s2")) == (["one"], [])


async def test_all_consoles_go_to_the_log_in_one_call(desk, autojump_clock):
    others = [Console(Wake(), f"o{n}", desk.writer) for n in range(100)]
    for console in others:
        console.append(["hello"])
    await trio.sleep(FLUSH_INTERVAL + 0.01)
    assert desk.log.calls == [100]


async def test_lines_of_many_consoles_go_to_the_log_in_calls_of_a_bounded_size(
    desk, autojump_clock, monkeypatch
):
    monkeypatch.setattr(log_writer, "GROUP", 20_000)
    monkeypatch.setattr(log_writer, "STEP", 20)
    others = [Console(Wake(), f"o{n}", desk.writer) for n in range(10)]
    for console in others:
        console.append(["x" * 100] * 100)
    await trio.sleep(10)
    assert desk.log.calls == [2] * 5
    assert all(len(desk.log.texts(console.internal_id)) == 100 for console in others)


async def test_console_that_is_discarded_before_its_turn_is_not_copied(desk, autojump_clock):
    others = [Console(Wake(), f"o{n}", desk.writer) for n in range(100)]
    for console in others:
        console.append(["hello"])

    async with trio.open_nursery() as nursery, desk.writer.turns._line:
        nursery.start_soon(desk.writer.copy)
        await wait_all_tasks_blocked()
        desk.writer.discard(others[-1])
    await trio.sleep(60)
    assert "o99" not in desk.log._entries
    assert desk.log.texts("o98") == ["hello"]


async def test_log_writer_pauses_in_proportion_to_what_it_has_copied(desk, autojump_clock):
    begun = trio.current_time()
    while trio.current_time() - begun < 2:
        desk.console.append(["y"] * 10_000)
        await trio.sleep(0.005)
    assert len(desk.log.calls) <= 2 * log_writer.LINE_RATE / 10_000 + 2


async def test_slow_log_delays_nobody_and_its_missed_lines_are_counted(desk, autojump_clock):
    desk.log.seconds = 100.0
    begun = trio.current_time()
    for number in range(1, 50_001, 100):
        desk.print(number, number + 99)
        await trio.sleep(0.001)
    assert trio.current_time() - begun < 1
    await trio.sleep(300)
    numbers = desk.log.numbers()
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 50_000
    entries = desk.log._entries["s1"]
    missed = sum(entry.missed for entry in entries)
    assert missed + sum(len(entry.lines) for entry in entries) == 50_000
    assert missed > 20_000


async def test_log_that_is_full_is_tried_again_and_told_of_once(desk, autojump_clock, caplog):
    caplog.set_level(logging.INFO)
    desk.log.full = True
    desk.print(1, 3)
    await trio.sleep(30)
    desk.print(4, 4)
    desk.log.full = False
    await trio.sleep(30)
    assert desk.log.numbers() == [1, 2, 3, 4]
    assert [record.message for record in caplog.records] == [
        "the console log of s1 cannot be written and is retried: No space left on device",
        "console logs are written again",
    ]
    assert len(desk.log.calls) < 12


async def test_lives_of_a_process_are_told_apart(desk, autojump_clock):
    for run in (1, 2, 3):
        desk.console.begin(f"a:{run}")
        if run != 2:
            desk.print(run, run)
        if run == 1:
            await trio.sleep(1)
    desk.console.begin("a:4")
    await trio.sleep(1)
    desk.console.begin("a:4")
    await trio.sleep(1)
    assert [(e.life, e.first, len(e.lines)) for e in desk.log._entries["s1"]] == [
        ("a:1", 1, 1),
        ("a:3", 2, 1),
        ("a:4", 3, 0),
    ]
    assert list(desk.console.of_this_life) == []
    again = Console(Wake(), "s1", desk.writer)
    await again.restore()
    assert again.run_starts[-1].life == "a:4"
    assert list(again.of_this_life) == []


async def test_more_lives_than_are_remembered_lose_no_line(desk, autojump_clock):
    desk.log.full = True
    for run in range(1, 201):
        desk.console.begin(f"a:{run}")
        desk.print(run, run)
    await trio.sleep(1)
    desk.log.full = False
    await trio.sleep(60)
    assert desk.log.numbers() == list(range(1, 201))


async def test_numbers_go_on_and_the_last_lines_are_there(desk, autojump_clock):
    desk.print(1, 700)
    await trio.sleep(1)
    again = Console(Wake(), "s1", desk.writer)
    async with again.reading:
        again.write(b"new\n")
    assert (again.lines.first, again.lines.last) == (201, 701)
    assert await end(again, 2) == [(700, "line 700"), (701, "new")]
    assert [line.number for line in await again.end(10_000)] == list(range(1, 702))
    assert [line.number for line in await again.older(201, 3)] == [198, 199, 200]
    assert list(await again.older(1, 3)) == []


async def test_console_that_nobody_keeps_has_its_memory(desk, autojump_clock):
    console = Console(Wake())
    console.append(["one"])
    assert await end(console, 10) == [(1, "one")]
    assert list(await console.older(5, 5)) == []


@pytest.mark.parametrize("fault", ["broken", "seconds"])
async def test_numbers_are_never_given_twice_even_where_the_log_can_t_be_read(
    desk, autojump_clock, fault, caplog
):
    desk.print(1, 5)
    await trio.sleep(1)
    setattr(desk.log, fault, 1000.0)
    again = Console(Wake(), "s1", desk.writer)
    async with again.reading:
        again.write(b"new\n")
    assert again.lines.last > 1_700_000_000_000
    if fault == "broken":
        assert await end(again, 2) == [(again.lines.last, "new")]
    assert "cannot be read" in caplog.text
    setattr(desk.log, fault, 0.0)
    await trio.sleep(3000)
    assert desk.log.numbers() == [1, 2, 3, 4, 5, again.lines.last]


async def test_discarded_console_is_forgotten_and_stays_so(desk, autojump_clock):
    desk.print(1, 5)
    await trio.sleep(1)
    desk.log.broken = True
    desk.print(6, 7)
    desk.writer.discard(desk.console)
    await trio.sleep(1)
    desk.log.broken = False
    desk.console.append(["a last word"])
    await trio.sleep(60)
    assert "s1" not in desk.log._entries


async def test_log_of_an_earlier_container_is_removed_at_once_where_no_console_prints(desk, autojump_clock):
    desk.print(1, 5)
    await trio.sleep(60)
    assert "s1" in desk.log._entries
    desk.writer.discard_old("s1")
    await trio.sleep(FLUSH_INTERVAL / 10)
    assert "s1" not in desk.log._entries


async def test_console_that_is_discarded_while_it_is_copied_is_forgotten(desk, autojump_clock):
    desk.log.seconds = 5.0
    desk.print(1, 5)
    await trio.sleep(1)
    desk.writer.discard(desk.console)
    desk.log.seconds = 0.0
    new = Console(Wake(), "s1", desk.writer)
    await new.restore()
    assert new.lines.last == 0
    assert "s1" not in desk.log._entries


async def test_sweep_that_fails_is_told_and_nothing_else(desk, autojump_clock, caplog):
    desk.log.broken = True
    await desk.writer.sweep([])
    assert "could not be removed" in caplog.text


# A whole fleet


@pytest.fixture
def log():
    return Log()


async def test_console_goes_on_after_the_daemon_s_end(autojump_clock, log):
    journal = MemoryJournal(virtual_clock())
    spec = a_spec(startup_command="line-printer 0 0.05", start_pattern=None)
    async with fake.open_fake_engine() as engine:
        for life in range(5):
            async with open_daemon(journal, engine, log) as world:
                await world.wait_engine()
                if not life:
                    await world.running(spec)
                await trio.sleep(7.77)
                found = await world.member().console.end(10_000)
            await trio.sleep(1.23)
    assert [line.text for line in found] == [f"line {n}" for n in range(1, len(found) + 1)]
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    assert len(found) > 800


async def test_server_that_was_ready_when_nothing_could_be_recorded_is_ready_to_the_next_daemon(
    autojump_clock, log
):
    journal = FullJournal(virtual_clock(), fills_after=Started)
    spec = a_spec(startup_command="sleep 1; echo Ready; line-printer 2000 0.01; sleep 100000")
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await world.create(spec)
            await world.wait(Phase.OFFLINE)
            await world.tell(messages.Start())
            await trio.sleep(60)
            assert "Ready" in log.texts()
            assert world.state().phase is Phase.LOADING
        journal.full, journal.fills_after = False, None
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await world.wait(Phase.RUNNING)
            assert world.names().count("BecameReady") == 1
            assert log.texts().count("Ready") == 1


async def test_console_goes_on_in_a_container_that_was_made_anew(autojump_clock, log):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine, log) as world:
        await world.wait_engine()
        member = await world.running(a_spec(install_script="echo installed"))
        engine.vanish("s1")
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert await end(member.console, 10) == [(1, "installed"), (2, "Ready"), (3, "Ready")]


async def test_log_of_the_engine_that_was_rotated_is_told_of(autojump_clock, log):
    journal = MemoryJournal(virtual_clock())
    spec = a_spec(startup_command="flood 2000", start_pattern=None)
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await world.running(spec)
            await trio.sleep(2)
        await trio.sleep(60)
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await trio.sleep(2)
            found = await world.member().console.end(10_000)
    texts = [line.text for line in found]
    assert texts.count(LOST) == 1
    numbers = [line.number for line in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_deleted_container_s_log_goes_and_a_new_one_of_its_name_begins_at_one(autojump_clock, log):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine, log) as world:
        await world.wait_engine()
        await world.running()
        await world.tell(messages.Delete())
        await world.wait_gone()
        await trio.sleep(1)
        assert log._entries == {}
        member = await world.running()
        assert (await end(member.console, 10))[0] == (1, "Ready")


async def test_leftovers_of_a_deletion_are_swept_at_the_next_start(autojump_clock, log):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, log) as world:
            await world.wait_engine()
            await world.running()
            await world.running(a_spec("s2"))
            await trio.sleep(1)
            log.broken = True
            await world.tell(messages.Delete())
            await world.wait_gone()
        log.broken = False
        assert log._entries.keys() == {"s1", "s2"}
        async with open_daemon(journal, engine, log):
            assert log._entries.keys() == {"s2"}


async def test_full_disk_stops_no_console(autojump_clock, log):
    log.full = True
    journal = MemoryJournal(virtual_clock())
    spec = a_spec(startup_command="line-printer 0 0.01", start_pattern=None)
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine, log) as world:
        await world.wait_engine()
        member = await world.running(spec)
        await trio.sleep(30)
        assert member.console.lines.last > 2900
        log.full = False
        await trio.sleep(30)
    assert log.numbers()[0] == 1
