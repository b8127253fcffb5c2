"""The journal is compacted: what is dropped, what stays, and what adds up to the same afterwards."""

import time
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import condensed, events
from actors.container.decider import DECIDER
from actors.container.events import Edited
from actors.container.state import Phase
from actors.kernel.actor import replay
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append
from actors.portpool import decider as portpool
from actors.portpool.messages import PortsAdded, PortsLeased, PortsReleased
from actors.remotesync.updates import Status, to_update
from actors.tokens import decider as tokens
from actors.tokens.messages import TokenMinted, TokenRevoked, to_id
from lightd.http.routes.tokens import LONGEST_TTL
from lightd.journal import compaction, inspection
from lightd.journal.codec import Codec
from lightd.journal.compaction import FORGOTTEN, KEPT, KEPT_TEXTS, SLACK, SWEEP_EVERY, Compactor, forget
from lightd.journal.sqlite import open_sqlite_journal
from tests.support.given import BEGIN, CRASHING, WORDS, a_crash

SPEC = BEGIN[0].spec

pytestmark = pytest.mark.one_python


@attrs.define
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self):
        return self.now


@attrs.define(eq=False)
class Scene:
    journal: object
    bus: object
    clock: Clock
    compactor: Compactor

    async def add(self, stream, *emitted):
        after = await self.last(stream)
        await self.bus.publish(Append(stream, after, emitted))

    async def last(self, stream):
        rows = await self.journal.look(
            "SELECT max(version) FROM records JOIN streams ON stream = id WHERE name = ?", stream
        )
        return rows[0][0] or 0

    async def versions(self, stream=CRASHING):
        found, after = [], 0
        while page := await self.journal.read_stream(stream, after):
            found += [record.version for record in page]
            after = found[-1]
        return found

    async def crashes(self, count, first=1):
        for run in range(first, first + count, 100):
            runs = range(run, min(run + 100, first + count))
            await self.add(CRASHING, *[event for each in runs for event in a_crash(each)])


@asynccontextmanager
async def open_scene(path, clock=None):
    clock = clock or Clock()
    async with open_sqlite_journal(path, Codec(), clock) as journal, open_bus(journal) as bus:
        yield Scene(journal, bus, clock, Compactor(journal, bus, Codec(), clock))


@pytest.fixture(autouse=True)
def _at_full_speed(monkeypatch):
    monkeypatch.setattr(compaction, "PAUSE_FACTOR", 0.0)


async def test_crash_loop_is_condensed_to_its_state(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(1000)
        before = await replay(DECIDER, scene.bus, CRASHING)
        await scene.compactor.compact(CRASHING)
        assert await replay(DECIDER, scene.bus, CRASHING) == before
        versions = await scene.versions()
        assert KEPT <= len(versions) <= KEPT + SLACK
        assert versions == list(range(versions[0], 4005))
        first = (await scene.journal.read_stream(CRASHING, 0, 1))[0]
        assert isinstance(first.event, condensed.Condensed)
        assert (first.position, first.version) == (versions[0], versions[0])
        await scene.add(CRASHING, *a_crash(1001))
    async with open_scene(journal_path) as scene:
        assert scene.journal.head == 4008
        assert (await replay(DECIDER, scene.bus, CRASHING)).state.run == 1001


async def test_only_the_last_crashes_keep_their_lines(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(100)
        await scene.compactor.compact(CRASHING)
        records = [r for r in await scene.journal.read_stream(CRASHING) if isinstance(r.event, events.Exited)]
        assert [bool(record.event.tail) for record in records] == [*[False] * 95, *[True] * KEPT_TEXTS]
        assert {record.event.reason for record in records} == {"exit code 1"}
        assert records[-1].event.tail == WORDS


async def test_large_events_are_condensed_though_they_are_few(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        for number in range(10):
            large = (("A", str(number) * 1_000_000),)
            edited = Edited("./server", None, large, SPEC.stop, SPEC.restart_policy, SPEC.limits)
            await scene.add(CRASHING, edited)
        before = await replay(DECIDER, scene.bus, CRASHING)
        await scene.compactor.compact(CRASHING)
        assert await replay(DECIDER, scene.bus, CRASHING) == before
        [[size]] = await scene.journal.look("SELECT sum(length(data)) FROM records")
        assert size < compaction.KEPT_BYTES + 2_000_000


async def test_file_does_not_grow_for_ever(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        pages = []
        for turn in range(8):
            await scene.crashes(500, 1 + 500 * turn)
            await scene.compactor.compact(CRASHING)
            pages.append((await scene.journal.look("PRAGMA page_count"))[0][0])
        assert pages[-1] <= pages[1] * 1.1
        wal = journal_path.with_name("journal.db-wal").stat().st_size
    assert wal < 16 * 1024 * 1024


async def test_followers_that_are_far_behind_pass_over_what_was_condensed(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(1000)
        await scene.add("other", events.BecameReady(1))
        await scene.compactor.compact(CRASHING)
    async with open_scene(journal_path) as scene:
        subscription, seen = scene.bus.subscribe(3), []
        while records := await subscription.poll():
            seen += records
        assert seen[-1].position == scene.bus.head == subscription.position
        assert isinstance(seen[0].event, condensed.Condensed)
        assert await scene.bus.since(CRASHING, 0, 1) == [seen[0]]
        ahead = scene.bus.subscribe(scene.bus.head - 1)
        await scene.journal.between_commits(
            lambda db: db.execute("DELETE FROM records WHERE position = 4005")
        )
        assert await ahead.poll() == ()  # nothing there is left to see
        assert ahead.position == scene.bus.head


async def test_panel_hears_what_condensed_updates_led_to(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(400)
        await scene.compactor.compact(CRASHING)
        [first] = await scene.bus.since(CRASHING, 0, 1)
        assert to_update(first).frames == (Status("ready"),)
        gone = attrs.evolve(
            first, event=condensed.condense(attrs.evolve(first.event.state, phase=Phase.DELETED), 1.0)
        )
        assert to_update(gone) is None


async def test_pool_and_the_tokens_are_condensed_too(journal_path):
    keys = tuple(("127.0.0.1", port, "tcp") for port in range(10))
    async with open_scene(journal_path) as scene:
        await scene.add("portpool", PortsAdded(keys), PortsLeased("a", keys[:2]))
        for _ in range(10):
            await scene.add("portpool", *(PortsReleased("b", ()), PortsLeased("b", keys[5:6])) * 75)
        for number in range(800):
            digest = f"{number:064x}"[::-1]
            minted = TokenMinted(digest, ("a",), None, remove_on_use=False, created_at=1.0, expires_at=2.0)
            revoked = () if number % 100 == 0 else (TokenRevoked(to_id(digest)),)
            await scene.add("tokens", minted, *revoked)
        pool = await replay(portpool.DECIDER, scene.bus, "portpool")
        known = await replay(tokens.DECIDER, scene.bus, "tokens")
        for stream in ("portpool", "tokens"):
            await scene.compactor.compact(stream)
            assert len(await scene.versions(stream)) <= KEPT + SLACK
        assert await replay(portpool.DECIDER, scene.bus, "portpool") == pool
        assert await replay(tokens.DECIDER, scene.bus, "tokens") == known
        assert len(known.state.tokens) == 8
        assert inspection.read_pool(journal_path) == pool.state


async def test_deleted_container_is_condensed_then_forgotten_but_never_the_newest_record(journal_path):
    async with open_scene(journal_path) as scene:
        gone = (*BEGIN, events.DeletionRequested(), events.Deleted())
        await scene.add(CRASHING, *gone)
        await scene.add("container-b", *gone)
        scene.clock.now += SWEEP_EVERY + 1
        for stream in (CRASHING, "container-b"):
            await scene.compactor.compact(stream)
            assert await scene.versions(stream) == [6]
        view = await replay(DECIDER, scene.bus, CRASHING)
        assert (view.state.phase, view.state.ended, view.state.spec) == (Phase.DELETED, 6, None)
        await scene.add(CRASHING, events.Created(2, SPEC))
        assert (await replay(DECIDER, scene.bus, CRASHING)).state.ended == 6
        await scene.add("container-c", *gone)
        scene.clock.now += FORGOTTEN + 1
        assert await scene.journal.between_commits(lambda db: forget(db, Codec(), scene.clock.now)) == 1
        assert await scene.journal.streams("") == [CRASHING, "container-c"]  # one lives, one is the newest
    async with open_scene(journal_path, scene.clock) as scene:
        assert scene.journal.head == 19


def test_no_token_lives_as_long_as_a_deletion_is_remembered():
    assert FORGOTTEN > LONGEST_TTL


async def test_stream_that_can_not_be_read_is_left_alone(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(400)
        await scene.journal.between_commits(
            lambda db: db.execute("UPDATE records SET kind = 'odd' WHERE position = 2")
        )
        await scene.compactor._compact_all([CRASHING, "volumes"])
        assert len(await scene.versions("volumes")) == 0
        [[count]] = await scene.journal.look("SELECT count(*) FROM records")
        assert count == 1604


async def test_stream_that_breaks_its_actor_is_left_alone(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN, events.Deleted())  # no transition leads there
        await scene.crashes(400)
        await scene.add("container-b", *BEGIN, *[event for run in range(1, 400) for event in a_crash(run)])
        await scene.compactor._compact_all([CRASHING, "container-b"])
        assert len(await scene.versions()) == 1605
        assert len(await scene.versions("container-b")) <= KEPT + SLACK


async def test_commits_go_on_while_a_long_stream_is_compacted(journal_path):
    async with open_scene(journal_path) as scene:
        await scene.add(CRASHING, *BEGIN)
        await scene.crashes(2000)
        waits = []

        async def commit():
            for run in range(100):
                began = time.perf_counter()
                await scene.add("container-b", events.StartRequested(run))
                waits.append(time.perf_counter() - began)
                await trio.sleep(0.005)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.compactor.compact, CRASHING)
            nursery.start_soon(commit)
        assert sorted(waits)[90] < 2.0
        assert len(await scene.versions()) <= KEPT + SLACK


async def test_growing_stream_is_compacted_while_the_daemon_runs(journal_path, monkeypatch):
    monkeypatch.setattr(compaction, "EVERY", 0.01)
    async with open_scene(journal_path) as scene, trio.open_nursery() as nursery:
        await scene.add(CRASHING, *BEGIN)
        nursery.start_soon(scene.compactor.run)
        await trio.sleep(0.1)
        await scene.crashes(400)
        with trio.fail_after(60):
            while len(await scene.versions()) > KEPT + SLACK:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
