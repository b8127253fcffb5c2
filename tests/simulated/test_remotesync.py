"""Remote sync in virtual time: what the panel is told, in which order, and what happens while it is away."""

import logging
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import events
from actors.container.fleet import stream_of
from actors.kernel.bus import Bus, open_bus
from actors.kernel.journal import Append, JournalUnavailable
from actors.kernel.supervisor import open_supervisor
from actors.remotesync import checkpoint
from actors.remotesync.actor import AT_ONCE, HEALTH, NAME, TIMEOUT, RemoteSync
from actors.remotesync.cursors import Cursor
from actors.remotesync.delivery import DeliveryQueue, read
from actors.remotesync.panel import Accepted, Later, Refused
from actors.remotesync.status import RemoteStatus
from actors.remotesync.updates import Fault, Status
from tests.simulated.world import a_spec, virtual_clock
from tests.support.doubles.memory import MemoryCursorStore, MemoryJournal
from tests.support.doubles.panels import BROKEN, DOWN, FakePanel

CREATED = events.Created(1, a_spec())
READY = events.Installed(1, "e")
FAILED = events.InstallationFailed(1, "timeout", "it took too long")


@attrs.define(eq=False)
class World:
    """A journal that outlives what runs on it, and a panel."""

    journal: MemoryJournal
    panel: FakePanel = attrs.field(factory=FakePanel)
    cursors: MemoryCursorStore = attrs.field(factory=MemoryCursorStore)
    status: RemoteStatus = attrs.field(factory=RemoteStatus)
    chance: float = 0.0
    latest: bool = False
    bus: Bus | None = None
    versions: dict = attrs.field(factory=dict)

    async def record(self, server, *emitted):
        """Record ``events`` of a server; an update in each."""
        version = self.versions.get(server, 0)
        recorded = await self.bus.publish(Append(stream_of(server), version, emitted))
        self.versions[server] = version + len(emitted)
        return [record.position for record in recorded]

    async def wait_told(self, count):
        with trio.fail_after(2_000):
            while len(self.panel.accepted) < count:
                await trio.sleep(0.1)

    async def wait_drained(self):
        with trio.fail_after(2_000):
            while self.status.cursor != self.bus.head or self.status.backlog:
                await trio.sleep(0.1)

    def told(self, server):
        return [told.position for told in self.panel.by_server()[server]]

    @asynccontextmanager
    async def open_bus(self):
        async with open_bus(self.journal) as self.bus:
            yield

    @asynccontextmanager
    async def run(self):
        """One life of remote sync."""
        sync = RemoteSync(
            "n1",
            self.panel,
            self.bus,
            self.cursors,
            self.journal.clock,
            lambda: self.chance,
            self.status,
            self.latest,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sync.run)
            yield
            nursery.cancel_scope.cancel()


class Full(MemoryCursorStore):
    """Can't be saved while ``full``."""

    full = True

    async def save(self, name, position, changed):
        if self.full:
            raise JournalUnavailable("the disk is full")
        await super().save(name, position, changed)


@pytest.fixture
async def world():
    world = World(MemoryJournal(virtual_clock()))
    async with world.open_bus():
        yield world


@pytest.fixture
async def enabled(world):
    """A world whose panel hears of everything from the beginning of the journal."""
    await world.cursors.save(NAME, 0, {})
    return world


# What is told


async def test_panel_is_told_of_each_servers_installation_in_its_order(autojump_clock, enabled):
    async with enabled.run():
        await enabled.record("a", CREATED)
        await enabled.record("b", CREATED)
        await enabled.record("a", events.ImageEnsured(1), events.ScriptFinished(1), READY)
        await enabled.wait_drained()
    assert [(told.event_id, told.server, told.frame) for told in enabled.panel.accepted] == [
        ("n1-1", "a", Status("installing")),
        ("n1-2", "b", Status("installing")),
        ("n1-4", "a", Status("installing")),
        ("n1-5", "a", Status("ready")),
    ]


async def test_failure_is_told_in_two_frames_with_ids_of_their_own(autojump_clock, enabled):
    async with enabled.run():
        await enabled.record("a", CREATED, FAILED)
        await enabled.wait_drained()
    assert [(told.event_id, told.frame) for told in enabled.panel.accepted] == [
        ("n1-1", Status("installing")),
        ("n1-2", Status("failed")),
        ("n1-2.1", Fault("timeout", "it took too long")),
    ]


async def test_panel_that_is_new_hears_of_what_comes_and_not_of_what_was(autojump_clock, world):
    await world.record("a", CREATED)
    async with world.run():
        await world.wait_drained()
        await world.record("a", READY)
        await world.wait_drained()
    assert world.told("a") == [2]
    assert world.cursors.kept[NAME] == Cursor(2)


async def test_updates_from_a_time_when_the_panel_was_disabled_are_told_later(autojump_clock, world):
    async with world.run():
        await world.wait_drained()
    await world.record("a", CREATED, READY)
    async with world.run():
        await world.wait_drained()
    assert world.told("a") == [1, 2]


async def test_acknowledged_updates_are_not_told_again_after_a_restart(autojump_clock, enabled):
    for _ in range(3):
        async with enabled.run():
            await enabled.record("a", CREATED)
            await enabled.record("b", READY)
            await enabled.wait_drained()
    assert enabled.told("a") == [1, 3, 5]
    assert enabled.told("b") == [2, 4, 6]


# Trouble


async def test_server_that_the_panel_chokes_on_holds_up_nobody_else(autojump_clock, enabled):
    async def answer(_event_id, server):
        return BROKEN if server == "dead" else Accepted()

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("dead", *[CREATED] * 100)
        for number in range(10):
            await enabled.record(f"s{number}", CREATED, READY)
        await enabled.wait_told(20)
        assert enabled.panel.now < 5
        assert enabled.status.backlog == 100
        await trio.sleep(600)
    assert 10 < len([server for _, server in enabled.panel.attempts if server == "dead"]) < 30
    assert enabled.cursors.kept[NAME] == Cursor(120, {"dead": 0})
    enabled.panel.answer = FakePanel().answer
    async with enabled.run():
        await enabled.wait_drained()
    assert enabled.told("dead") == list(range(1, 101))
    assert len(enabled.panel.accepted) == 120


async def test_server_that_the_panel_hangs_on_holds_up_nobody_else(autojump_clock, enabled):
    async def answer(_event_id, server):
        if server == "dead":
            await trio.sleep_forever()
        await trio.sleep(0.1)
        return Accepted()

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("dead", CREATED)
        for _ in range(200):
            await enabled.record("alive", CREATED)
        await enabled.wait_told(200)
        assert enabled.panel.now < 20.5  # a tenth of a second each


async def test_panel_that_is_gone_is_not_asked_once_a_server(autojump_clock, enabled):
    async def answer(_event_id, _server):
        return DOWN

    enabled.panel.answer = answer
    enabled.panel.unwell = "connection refused"
    for number in range(500):
        await enabled.record(f"s{number}", CREATED)
    async with enabled.run():
        await trio.sleep(600)
        assert len(enabled.panel.attempts) < 20 * AT_ONCE
        assert enabled.status.backlog == 500
        enabled.panel.answer, enabled.panel.unwell = FakePanel().answer, None
        began = enabled.panel.now
        await enabled.wait_told(500)
        assert enabled.panel.now - began < HEALTH + 1


async def test_only_so_many_servers_are_told_at_once(autojump_clock, enabled):
    async def answer(_event_id, _server):
        await trio.sleep(1)
        return Accepted()

    enabled.panel.answer = answer
    for number in range(100):
        await enabled.record(f"s{number}", CREATED)
    async with enabled.run():
        await enabled.wait_drained()
    assert enabled.panel.most_at_once == AT_ONCE


async def test_panel_that_turns_well_has_its_backlog_at_once(autojump_clock, enabled):
    state = BROKEN

    async def answer(_event_id, _server):
        return state

    enabled.panel.answer = answer
    enabled.panel.unwell = "it answers 500"
    for number in range(100):
        await enabled.record(f"s{number}", CREATED)
    async with enabled.run():
        await trio.sleep(1000)
        state, enabled.panel.unwell = Accepted(), None
        looked = enabled.panel.looks[-1]
        await enabled.wait_told(100)
        assert enabled.panel.now <= looked + HEALTH + 1


async def test_panels_own_wish_for_a_pause_is_kept(autojump_clock, enabled):
    outcomes = [Later("too many requests", 77.0, panel_wide=True), Accepted(), Accepted()]

    async def answer(_event_id, _server):
        return outcomes.pop(0)

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", CREATED)
        await trio.sleep(10)
        await enabled.record("b", CREATED)
        await enabled.wait_drained()
    assert [at for at, _ in enabled.panel.attempts][1:] == [
        pytest.approx(77, abs=0.01),
        pytest.approx(77, abs=0.01),
    ]


async def test_panel_that_turns_well_has_thought_better_of_the_pause_that_it_asked_for(
    autojump_clock, enabled
):
    outcomes = [Later("come back later", 300.0, panel_wide=True)]

    async def answer(_event_id, _server):
        return outcomes.pop() if outcomes else Accepted()

    enabled.panel.answer, enabled.panel.unwell = answer, "it starts"
    async with enabled.run():
        await enabled.record("a", CREATED)
        await trio.sleep(1)
        enabled.panel.unwell = None
        await enabled.wait_drained()
    assert [at for at, _ in enabled.panel.attempts][1:] == [pytest.approx(HEALTH, abs=0.01)]


async def test_answer_that_does_not_come_is_given_up_and_tried_again(autojump_clock, enabled):
    hangs = [True, True, False]

    async def answer(_event_id, _server):
        if hangs.pop(0):
            await trio.sleep_forever()
        return Accepted()

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", CREATED)
        await enabled.wait_drained()
    times = [at for at, _ in enabled.panel.attempts]
    assert times == [pytest.approx(t, abs=0.01) for t in (0, TIMEOUT + 1, 2 * TIMEOUT + 3)]
    assert enabled.status.last_error == "no answer within 10 seconds"


async def test_refused_update_is_counted_logged_and_passed(autojump_clock, enabled, caplog):
    async def answer(event_id, _server):
        return Refused("it answers 422") if event_id == "n1-1" else Accepted()

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", CREATED, READY)
        await enabled.wait_drained()
    assert enabled.told("a") == [2]
    assert enabled.status.refused == 1
    assert "the panel rejected update n1-1 of server a, it is not sent again: it answers 422" in caplog.text


async def test_server_that_is_not_taken_again_and_again_is_told_of_in_the_log(
    autojump_clock, enabled, caplog
):
    async def answer(_event_id, _server):
        return BROKEN

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", CREATED)
        await trio.sleep(40)
    assert (
        caplog.text.count("cannot deliver an update of server a to the panel, retrying: it answers 500") == 1
    )


async def test_failures_second_frame_is_tried_again_without_its_first(autojump_clock, enabled):
    outcomes = [Accepted(), BROKEN, BROKEN, Accepted(), Accepted()]

    async def answer(_event_id, _server):
        return outcomes.pop(0)

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", FAILED, READY)
        await enabled.wait_drained()
    assert enabled.told("a") == [1, 1.1, 2]


async def test_queue_reads_no_update_that_the_dispatcher_has_not_appended(autojump_clock, enabled):
    await enabled.record("a", CREATED, READY, READY)
    seen = DeliveryQueue("a", version=0, until=2, waiting=2)
    for latest, versions in ((False, [1, 2]), (True, [2])):
        entries = await read(enabled.bus, seen, latest=latest)
        assert [entry.version for entry in entries] == versions
        assert sum(entry.count for entry in entries) == 2


# How far it is


async def test_status_has_the_number_of_pending_updates_and_the_time_of_the_oldest(autojump_clock, enabled):
    gates = {f"n1-{number}": trio.Event() for number in range(1, 5)}

    async def answer(event_id, _server):
        await gates[event_id].wait()
        return Accepted()

    enabled.panel.answer = answer
    assert enabled.status.oldest_pending_at is None
    assert enabled.status.cursor is None
    times = []
    async with enabled.run():
        for _ in range(3):
            times.append(enabled.journal.clock())
            await enabled.record("a", CREATED)
            await trio.sleep(1)
        await enabled.record("b", CREATED)
        await trio.sleep(1)
        for waiting, since in ((4, times[0]), (3, times[1]), (2, times[2])):
            assert enabled.status.backlog == waiting
            assert enabled.status.oldest_pending_at == pytest.approx(since, abs=0.01)
            gates[f"n1-{5 - waiting}"].set()
            await trio.sleep(0.01)
        assert enabled.status.cursor == 4
        gates["n1-4"].set()
        await enabled.wait_drained()
        assert enabled.status.oldest_pending_at is None
        assert enabled.status.last_ok == pytest.approx(enabled.journal.clock(), abs=1)


async def test_restart_counts_again_what_waits(autojump_clock, enabled):
    async def answer(_event_id, _server):
        return BROKEN

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", CREATED, events.ImageEnsured(1), READY)
        await enabled.record("b", *[READY] * 100)
        await trio.sleep(1)
        assert enabled.status.backlog == 102
    async with enabled.run():
        assert enabled.status.backlog == 102  # as before, until it is counted anew
        await enabled.record("b", READY)
        await trio.sleep(1)
        assert enabled.status.backlog == 103
        enabled.panel.answer = FakePanel().answer
        await enabled.wait_drained()
    assert enabled.told("b") == list(range(4, 105))


async def test_place_that_was_kept_for_a_server_with_nothing_left_goes(autojump_clock, enabled):
    await enabled.record("a", CREATED)
    await enabled.cursors.save(NAME, 1, {"a": 1})
    async with enabled.run():
        await enabled.wait_drained()
        await trio.sleep(1)
    assert enabled.panel.accepted == []
    assert enabled.cursors.kept[NAME] == Cursor(1)


async def test_mark_is_saved_now_and_then_also_when_there_is_nothing_to_tell(
    autojump_clock, enabled, monkeypatch
):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 50)
    async with enabled.run():
        for _ in range(120):
            await enabled.record("a", events.ImageEnsured(1))
        await trio.sleep(1)
        assert enabled.cursors.kept[NAME].position == 100


async def test_panel_that_is_new_hears_of_what_came_while_that_could_not_be_saved(autojump_clock, world):
    world.cursors = Full()
    await world.record("a", CREATED)
    sync = RemoteSync(
        "n1", world.panel, world.bus, world.cursors, world.journal.clock, lambda: 0.0, world.status
    )
    async with open_supervisor() as supervisor:
        supervisor.start("remote sync", sync.run, outages=(JournalUnavailable,))
        await trio.sleep(1)
        await world.record("a", READY)
        world.cursors.full = False
        await world.wait_drained()
    assert world.told("a") == [2]


async def test_cursor_that_can_not_be_saved_is_saved_later_and_nothing_is_told_twice(
    autojump_clock, enabled, caplog
):
    enabled.cursors = Full(enabled.cursors.kept)
    async with enabled.run():
        await enabled.record("a", *[READY] * 10)
        await trio.sleep(60)
        assert len(enabled.panel.accepted) == 1  # its queue is not saved yet
        enabled.cursors.full = False
        await enabled.wait_drained()
        enabled.cursors.full = True
    assert enabled.told("a") == list(range(1, 11))
    assert "cannot save the cursor of panel, retrying: the disk is full" in caplog.text


# The newest alone


async def test_latest_mode_tells_a_panel_that_was_away_each_servers_newest_state(autojump_clock, enabled):
    enabled.latest = True
    enabled.panel.answer, enabled.panel.unwell = down, "connection refused"
    async with enabled.run():
        for _ in range(60):
            await enabled.record("a", CREATED, READY, CREATED, events.Started(1, 1.0))
            await enabled.record("b", CREATED, FAILED)
            await trio.sleep(20)
        assert enabled.status.backlog == 300
        enabled.panel.answer, enabled.panel.unwell = FakePanel().answer, None
        await enabled.wait_drained()
        assert enabled.told("a") == [357]
        assert enabled.told("b") == [360, 360.1]
        assert enabled.status.backlog == 0
        await enabled.record("a", READY)
        await enabled.wait_drained()
    assert enabled.told("a") == [357, 361]


async def test_latest_mode_replaces_a_half_told_update_by_a_newer_one(autojump_clock, enabled):
    enabled.latest = True
    outcomes = [Accepted(), BROKEN]

    async def answer(_event_id, _server):
        return outcomes.pop(0) if outcomes else Accepted()

    enabled.panel.answer = answer
    async with enabled.run():
        await enabled.record("a", FAILED)
        await trio.sleep(0.5)
        await enabled.record("a", FAILED)
        await enabled.wait_drained()
    assert enabled.told("a") == [1, 2, 2.1]


async def down(_event_id, _server):
    return DOWN


# Health


async def test_panels_health_is_looked_at_regularly_and_told_when_it_changes(autojump_clock, enabled, caplog):
    caplog.set_level(logging.INFO)
    async with enabled.run():
        await trio.sleep(HEALTH * 3 + 1)
        assert enabled.status.healthy is True
        enabled.panel.unwell = "it says it is asleep"
        await trio.sleep(HEALTH * 3)
        assert enabled.status.healthy is False
        assert enabled.status.last_error == "it says it is asleep"
        enabled.panel.unwell = None
        await trio.sleep(HEALTH)
    said = [record.message for record in caplog.records if "healthy" in record.message]
    assert said == [
        "the panel is healthy; pending updates: 0",
        "the panel is not healthy: it says it is asleep",
        "the panel is healthy; pending updates: 0",
    ]
    assert enabled.panel.looks == [pytest.approx(HEALTH * n) for n in range(8)]


async def test_panel_that_does_not_answer_about_its_health_is_not_well(autojump_clock, enabled):
    enabled.panel.deaf = True
    async with enabled.run():
        await trio.sleep(HEALTH * 2 + 1)
    assert enabled.status.healthy is False
    assert enabled.panel.looks == [pytest.approx(HEALTH * n) for n in range(3)]


async def test_life_that_has_just_begun_does_not_claim_that_all_is_told(autojump_clock):
    world = World(SlowReading(virtual_clock()))
    await world.cursors.save(NAME, 200, {"a": 0, "b": 0})
    async with world.open_bus():
        await world.record("a", *[READY] * 100)
        await world.record("b", *[READY] * 100)
        async with world.run():
            with trio.fail_after(1000):
                while not world.panel.accepted:
                    assert world.status.cursor is None or world.status.backlog == 200
                    await trio.sleep(0.5)
                await world.wait_drained()
    assert world.told("b") == list(range(101, 201))


class SlowReading(MemoryJournal):
    async def read_stream(self, stream, after=0, limit=1000, *, printed=True):
        await trio.sleep(1)
        return await MemoryJournal.read_stream(self, stream, after, limit, printed=printed)


class Lost(MemoryJournal):
    """The records of a server are no longer kept when it is its turn."""

    async def read_stream(self, stream, after=0, limit=1000, *, printed=True):
        await trio.lowlevel.checkpoint()
        return []


async def test_server_whose_updates_are_no_longer_kept_is_done(autojump_clock):
    world = World(Lost(virtual_clock()))
    async with world.open_bus():
        await world.cursors.save(NAME, 0, {})
        async with world.run():
            await world.record("a", CREATED)
            await world.wait_drained()
    assert world.panel.accepted == []
    assert world.status.queues == {}
