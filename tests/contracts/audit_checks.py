"""What every place for an audit must do. Each ``check_*`` takes an empty ``Table``."""

from lightd.audit.entry import INTERRUPTED, Asked, Begun, Ended, Entry, Outcome

STRANGE = "контейнер 🎮 'x' %_*\x00"


def asked(at=1.0, route="/volumes", **fields):
    return Asked(
        at,
        **{"token_id": "master", "address": "::1", "request_id": "r", "method": "POST", **fields},
        route=route,
    )


def ended(number=None, status=200, at=1.0, code=None):
    return Ended(number, asked(at), Outcome(status, code, "s1", "start-1"))


async def check_empty_audit_has_nothing_to_read(table):
    assert list(await table.read(0, 10)) == []
    assert await table.interrupt() == 0
    assert await table.prune(100.0, 1, 10) == 0


async def check_entry_is_read_back_as_it_was(table):
    strange = Ended(
        None, Asked(2.5, STRANGE, STRANGE, STRANGE, STRANGE, STRANGE), Outcome(404, STRANGE, None, STRANGE)
    )
    await table.write([], [strange, ended()])
    first, second = await table.read(0, 10)
    assert first == Entry(1, strange.asked, strange.outcome)
    assert second == Entry(2, asked(), Outcome(200, None, "s1", "start-1"))


async def check_call_is_no_entry_before_it_has_ended(table):
    await table.write([Begun(1, asked()), Begun(2, asked(at=2.0))], [])
    assert list(await table.read(0, 10)) == []
    await table.write([], [ended(2, at=2.0)])
    assert [entry.asked.at for entry in await table.read(0, 10)] == [2.0]


async def check_call_may_begin_and_end_in_one_write(table):
    await table.write([Begun(1, asked())], [ended(1)])
    assert len(await table.read(0, 10)) == 1
    assert await table.interrupt() == 0


async def check_number_that_was_never_noted_may_end(table):
    await table.write([], [ended(9)])
    assert len(await table.read(0, 10)) == 1


async def check_call_that_has_not_ended_is_told_as_interrupted_once(table):
    await table.write([Begun(1, asked()), Begun(2, asked(at=2.0)), Begun(3, asked(at=3.0))], [])
    await table.write([], [ended(2, at=2.0)])
    assert await table.interrupt() == 2
    assert await table.interrupt() == 0
    found = await table.read(0, 10)
    assert [(entry.seq, entry.asked.at, entry.outcome.status) for entry in found] == [
        (1, 2.0, 200),
        (2, 1.0, None),
        (3, 3.0, None),
    ]
    assert [entry.outcome.code for entry in found] == [None, INTERRUPTED, INTERRUPTED]
    await table.write([Begun(1, asked())], [])


async def check_entries_are_read_page_by_page(table):
    await table.write([], [ended(at=float(number)) for number in range(7)])
    assert [entry.seq for entry in await table.read(0, 3)] == [1, 2, 3]
    assert [entry.seq for entry in await table.read(3, 3)] == [4, 5, 6]
    assert [entry.seq for entry in await table.read(6, 3)] == [7]
    assert list(await table.read(7, 3)) == []


async def check_old_are_forgotten_oldest_first_a_few_at_a_time(table):
    await table.write([], [ended(at=float(number)) for number in range(10)])
    assert await table.prune(6.0, 1000, 4) == 4
    assert [entry.seq for entry in await table.read(0, 1)] == [5]
    assert await table.prune(6.0, 1000, 4) == 2
    assert await table.prune(6.0, 1000, 4) == 0
    assert [entry.asked.at for entry in await table.read(0, 10)] == [6.0, 7.0, 8.0, 9.0]


async def check_too_many_are_forgotten_however_young(table):
    await table.write([], [ended(at=100.0) for _ in range(10)])
    assert await table.prune(0.0, 4, 100) == 6
    assert [entry.seq for entry in await table.read(0, 10)] == [7, 8, 9, 10]
    assert await table.prune(0.0, 4, 100) == 0


async def check_seq_is_not_given_twice_although_all_are_forgotten(table):
    await table.write([], [ended(), ended()])
    assert await table.prune(100.0, 1000, 100) == 2
    await table.write([], [ended()])
    assert [entry.seq for entry in await table.read(0, 10)] == [3]
