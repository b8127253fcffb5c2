"""The trail of the audit in virtual time: what is written when, and what where nothing can be written."""

import pytest
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import JournalUnavailable
from lightd.audit import trail as trails
from lightd.audit.entry import INTERRUPTED, UNANSWERED, Asked, Begun
from lightd.audit.trail import Call, about, follow, note_operation, open_trail
from lightd.config.sections import Audit
from tests.contracts.audit_checks import asked, ended
from tests.support.doubles.audit import MemoryTable


@pytest.fixture
def table():
    return MemoryTable()


def a_call(route="/volumes", **fields):
    return Call(Asked(1.0, "master", "::1", "r", "POST", route), **fields)


def statuses(table):
    return [entry.outcome.status for entry in table.entries]


async def test_call_is_noted_before_it_is_done_and_again_when_it_has_ended(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        call = a_call(subject="s1", operation_id="start-1")
        await trail.begin(call)
        assert list(table.begun.values()) == [call.asked]
        await trail.end(call, 200, None)
        assert table.begun == {}
        [entry] = await trail.read(0, 10)
        assert (entry.asked, entry.outcome.subject, entry.outcome.operation_id) == (
            call.asked,
            "s1",
            "start-1",
        )


async def test_many_calls_share_a_write(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        table.gate = trio.Event()
        calls = [a_call() for _ in range(50)]

        async def serve(call):
            await trail.begin(call)
            await trail.end(call, 200, None)

        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(serve, call)
            await trio.sleep(1)
            table.gate.set()
        assert len(table.writes) <= 4
        assert statuses(table) == [200] * 50


async def test_calls_are_neither_begun_nor_answered_while_the_disk_is_busy(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        table.gate = trio.Event()
        call = a_call()
        with trio.move_on_after(100) as patience:
            await trail.begin(call)
        assert patience.cancelled_caught
        trail.end_nowait(call, None, UNANSWERED)
        table.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert [entry.outcome.code for entry in table.entries] == [UNANSWERED]
        assert table.begun == {}


async def test_call_has_one_outcome_the_first(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        call = a_call()
        await trail.begin(call)
        trail.end_nowait(call, 200, None)
        assert trail.end_nowait(call, None, UNANSWERED).settled
    assert statuses(table) == [200]


async def test_ended_calls_are_written_before_the_trail_is_closed(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        for _ in range(3):
            trail.end_nowait(a_call(), 404, "volume_not_found")
    assert statuses(table) == [404] * 3


async def test_call_that_can_not_be_noted_is_not_begun(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        table.fault = "the disk is full"
        call = a_call()
        with pytest.raises(JournalUnavailable, match="the disk is full"):
            await trail.begin(call)
        await trail.end(call, 507, "journal_unavailable")
        assert table.entries == []
        table.fault = None
        await trio.sleep(trails.RETRY + 1)
        assert statuses(table) == [507]


async def test_outcome_that_can_not_be_written_keeps_nobody_waiting_and_is_written_later(
    table, autojump_clock
):
    async with open_trail(table, lambda: table.now) as trail:
        call = a_call()
        await trail.begin(call)
        table.fault = "the disk is full"
        with trio.fail_after(1):
            await trail.end(call, 200, None)
        assert (table.entries, len(table.begun)) == ([], 1)
        table.fault = None
        await trio.sleep(trails.RETRY + 1)
        assert (statuses(table), table.begun) == ([200], {})


async def test_urgent_call_goes_on_and_is_logged_at_once(table, autojump_clock, caplog):
    async with open_trail(table, lambda: table.now) as trail:
        table.fault = "the disk is full"
        call = a_call("/volumes/v/files", urgent=True)
        await trail.begin(call)
        assert "not in the audit yet: POST /volumes/v/files by master" in caplog.text
        await trail.end(call, 200, None)
        table.fault = None
        await trail.begin(a_call())
        assert statuses(table) == [200]


async def test_unwritten_entries_have_a_bound_where_urgent_calls_are_refused_and_refusals_counted(
    table, autojump_clock, caplog, monkeypatch
):
    monkeypatch.setattr(trails, "MOST_PENDING", 2)
    async with open_trail(table, lambda: table.now) as trail:
        begun = a_call()
        await trail.begin(begun)
        table.fault = "the disk is full"
        for _ in range(2):
            call = a_call(urgent=True)
            await trail.begin(call)
            await trail.end(call, 200, None)
        with pytest.raises(JournalUnavailable):
            await trail.begin(a_call(urgent=True))
        for _ in range(3):
            await trail.end(a_call(), 404, "not_found")
        await trail.end(begun, 201, None)
        assert trail.lost == 3
        table.fault = None
        await trio.sleep(trails.RETRY + 1)
        assert statuses(table) == [200, 200, 201]
        assert "3 calls are not in the audit" in caplog.text
        assert trail.lost == 0


async def test_clients_that_leave_while_nothing_can_be_written_fill_no_memory(
    table, autojump_clock, caplog, monkeypatch
):
    monkeypatch.setattr(trails, "MOST_PENDING_CHANGES", 2)
    async with open_trail(table, lambda: table.now) as trail:
        table.fault = "the disk is full"
        for _ in range(5):
            call = a_call()
            with trio.CancelScope() as scope:
                scope.cancel()
                await trail.begin(call)
            await trail.end(call, None, UNANSWERED)
        assert trail.lost == 3


async def test_pending_entries_are_tried_once_more_at_the_end(table, autojump_clock):
    async with open_trail(table, lambda: table.now) as trail:
        call = a_call()
        await trail.begin(call)
        table.fault = "the disk is full"
        await trail.end(call, 200, None)
        table.fault = None
    assert (statuses(table), table.begun) == ([200], {})


async def test_calls_begun_by_an_earlier_daemon_are_told_at_the_start(table, autojump_clock, caplog):
    await table.write([Begun(1, asked())], [])
    async with open_trail(table, lambda: table.now) as trail:
        assert [entry.outcome.code for entry in await trail.read(0, 10)] == [INTERRUPTED]
        assert "1 calls were interrupted" in caplog.text


async def test_trail_opens_on_a_full_disk_and_numbers_of_an_earlier_life_are_not_in_its_way(
    table, autojump_clock, caplog
):
    await table.write([Begun(1, asked())], [])
    table.fault = "the disk is full"
    async with open_trail(table, lambda: table.now) as trail:
        assert "cannot write the audit, retrying: the disk is full" in caplog.text
        table.fault = None
        call = a_call()
        await trail.begin(call)
        await trail.end(call, 200, None)
    assert [entry.outcome.code for entry in table.entries] == [INTERRUPTED, None]


async def test_old_and_surplus_entries_are_forgotten_at_the_start_on_a_change_and_every_hour(
    table, autojump_clock
):
    day = trails.DAY
    await table.write([], [ended(at=number * day) for number in range(3000)])
    table.now = 3000 * day
    settings, changed = Audit(keep_days=2000, keep_entries=10**6), Wake()
    async with open_trail(table, lambda: table.now) as trail, trio.open_nursery() as nursery:
        nursery.start_soon(trail.keep, lambda: settings, changed)
        await trio.sleep(10)
        assert [table.entries[0].asked.at, len(table.entries)] == [1000 * day, 2000]
        assert table.prunes == 3
        settings = Audit(keep_days=2000, keep_entries=1000)
        changed.notify()
        await trio.sleep(10)
        assert len(table.entries) == 1000
        table.now = 5000 * day
        await trio.sleep(trails.EVERY)
        assert len(table.entries) == 0
        nursery.cancel_scope.cancel()


async def test_change_while_entries_are_being_forgotten_is_not_passed_over(table, autojump_clock):
    await table.write([], [ended(at=1.0) for _ in range(3000)])
    settings, changed = Audit(keep_days=1, keep_entries=2000), Wake()
    async with open_trail(table, lambda: table.now) as trail, trio.open_nursery() as nursery:
        nursery.start_soon(trail.keep, lambda: settings, changed)
        await trio.sleep(trails.BETWEEN / 2)
        settings = Audit(keep_days=1, keep_entries=1000)
        changed.notify()
        await trio.sleep(10)
        assert len(table.entries) == 1000
        nursery.cancel_scope.cancel()


async def test_prune_that_fails_is_tried_again(table, autojump_clock, caplog):
    await table.write([], [ended(at=0.0)])
    table.now = 10.0**6
    table.fault = "the disk is full"
    async with open_trail(table, lambda: table.now) as trail, trio.open_nursery() as nursery:
        nursery.start_soon(trail.keep, lambda: Audit(keep_days=1), Wake())
        await trio.sleep(1)
        assert "cannot delete old entries of the audit" in caplog.text
        table.fault = None
        await trio.sleep(trails.EVERY)
        assert table.entries == []
        nursery.cancel_scope.cancel()


async def test_call_knows_what_it_is_about_and_the_first_operation_it_led_to(autojump_clock):
    about("nobody's")
    note_operation("nobody's")
    call = a_call()
    follow(call)
    about("s1")
    note_operation("edit-1")
    note_operation("limits-2")
    assert (call.subject, call.operation_id) == ("s1", "edit-1")


async def test_token_that_is_refused_without_end_fills_no_audit(table, autojump_clock, caplog):
    def by(token_id):
        return Call(Asked(1.0, token_id, "::1", "r", "POST", "/volumes"))

    async with open_trail(table, lambda: table.now) as trail, trio.open_nursery() as nursery:
        for _ in range(trails.REFUSALS + 500):
            trail.end_nowait(by("tenant"), 404, "volume_not_found")
        for token_id in ("other", *["master"] * (trails.REFUSALS + 1)):
            await trail.end(by(token_id), 404, "volume_not_found")
        written = [entry.asked.token_id for entry in await trail.read(0, 10_000)]
        assert {name: written.count(name) for name in written} == {
            "tenant": trails.REFUSALS,
            "other": 1,
            "master": trails.REFUSALS + 1,
        }
        done = by("tenant")  # what is carried out is written in any case
        await trail.begin(done)
        await trail.end(done, 200, None)
        assert statuses(table)[-1] == 200
        table.now += 2
        for _ in range(5):
            await trail.end(by("tenant"), 404, "volume_not_found")
        assert statuses(table)[-3:] == [200, 404, 404]
        nursery.start_soon(trail.keep, Audit, Wake())
        await trio.sleep(1)
        assert "503 refused calls were left out of the audit" in caplog.text
        nursery.cancel_scope.cancel()


async def test_refused_tokens_are_remembered_up_to_a_bound(table, autojump_clock, monkeypatch):
    monkeypatch.setattr(trails, "REFUSING", 2)
    async with open_trail(table, lambda: table.now) as trail:
        for name in "abc":
            await trail.end(Call(Asked(1.0, name, "::1", "r", "POST", "/volumes")), 404, "x")
        assert list(trail._refused) == ["b", "c"]


async def test_audit_that_grows_fast_is_pruned_before_the_hour_is_over(table, autojump_clock, monkeypatch):
    monkeypatch.setattr(trails, "GROWN", 50)
    async with open_trail(table, lambda: table.now) as trail, trio.open_nursery() as nursery:
        nursery.start_soon(trail.keep, lambda: Audit(keep_entries=10), Wake())
        for _ in range(3):
            for _ in range(50):
                await trail.end(a_call(), 200, None)
            await trio.sleep(1)
            assert len(table.entries) == 10
        nursery.cancel_scope.cancel()
