"""Supervision: a crash costs one child one delay, a crash loop one child, an outage nobody anything."""

import pytest
import trio
import trio.testing

from actors.kernel import supervisor as supervisor_module
from actors.kernel.backoff import Backoff
from actors.kernel.supervisor import RestartIntensity, is_outage, open_supervisor

EXACT = Backoff(0.5, 8.0)
"""Delays without jitter, which add up exactly in floating point."""


class Outage(Exception):  # noqa: N818 - named like the real ones
    """The world is down."""


class Crasher:
    """Crashes at once in each incarnation while ``faults`` lasts, then stays up; ``began`` has the times."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.began = []

    async def work(self):
        self.began.append(trio.current_time())
        if self.faults:
            raise self.faults.pop(0)
        await trio.sleep_forever()

    @property
    def delays(self):
        return [later - earlier for earlier, later in zip(self.began, self.began[1:], strict=False)]


def crashes(count):
    return [KeyError(number) for number in range(count)]


async def test_child_that_crashed_is_restarted_after_a_delay_that_doubles(autojump_clock):
    crasher = Crasher(*crashes(3))
    async with open_supervisor() as supervisor:
        child = supervisor.start("child", crasher.work)
        await trio.sleep(5)
    assert child.restarts == 3
    assert [
        round(delay / nominal) for delay, nominal in zip(crasher.delays, [0.1, 0.2, 0.4], strict=True)
    ] == [
        1,
        1,
        1,
    ]
    assert all(
        0.8 <= delay / nominal <= 1.2 for delay, nominal in zip(crasher.delays, [0.1, 0.2, 0.4], strict=True)
    )


async def test_delay_grows_no_longer_than_ten_seconds(autojump_clock):
    crasher = Crasher(*[Outage()] * 12)
    async with open_supervisor() as supervisor:
        supervisor.start("child", crasher.work, outages=(Outage,))
        await trio.sleep(120)
    assert len(crasher.delays) == 12
    assert max(crasher.delays) <= 12
    assert min(crasher.delays[-4:]) >= 8


async def test_delay_falls_back_after_a_quiet_spell(autojump_clock):
    began = []

    async def work():
        began.append(trio.current_time())
        if len(began) == 4:
            await trio.sleep(100)
        raise KeyError

    async with open_supervisor() as supervisor:
        supervisor.start("child", work)
        await trio.sleep(102)
    assert began[3] - began[2] >= 0.8 * 0.4
    assert began[4] - began[3] - 100 <= 1.2 * 0.1


@pytest.mark.parametrize(("life", "delay"), [(60.0, 1.0), (60.5, 0.5)], ids=["not yet quiet", "quiet"])
async def test_delay_falls_back_after_more_than_the_time_of_the_intensity(
    life, delay, autojump_clock, monkeypatch
):
    monkeypatch.setattr(supervisor_module, "BACKOFF", EXACT)
    began = []

    async def work():
        began.append(trio.current_time())
        if len(began) == 2:
            await trio.sleep(life)
        raise KeyError

    async with open_supervisor(RestartIntensity(restarts=3, within=60.0)) as supervisor:
        supervisor.start("child", work)
        await trio.sleep(0.5 + life + delay + 0.25)
    assert began == [0.0, 0.5, 0.5 + life + delay]


@pytest.mark.parametrize(("second", "quarantined"), [(60.0, True), (60.5, False)], ids=["within", "after"])
async def test_crash_at_the_end_of_the_time_still_counts(second, quarantined, autojump_clock, monkeypatch):
    monkeypatch.setattr(supervisor_module, "BACKOFF", EXACT)
    moments = [0.0, second]

    async def work():
        if moments:
            await trio.sleep_until(moments.pop(0))
            raise KeyError
        await trio.sleep_forever()

    async with open_supervisor(RestartIntensity(restarts=1, within=60.0)) as supervisor:
        child = supervisor.start("child", work)
        await trio.sleep(100)
        assert (child.quarantined is not None) is quarantined


async def test_one_crash_too_many_within_the_time_is_quarantine(autojump_clock):
    crasher, record = Crasher(*crashes(4)), []
    async with open_supervisor() as supervisor:
        child = supervisor.start("child", crasher.work, on_quarantine=record.append)
        await trio.sleep(3600)
        assert len(crasher.began) == 4
        assert [type(error) for error in record] == [KeyError]
        assert child.quarantined is record[0]


async def test_crashes_far_apart_are_forgotten(autojump_clock):
    async def work():
        await trio.sleep(25)
        raise KeyError

    async with open_supervisor(RestartIntensity(restarts=3, within=60)) as supervisor:
        child = supervisor.start("child", work)
        await trio.sleep(1000)
    assert child.quarantined is None
    assert child.restarts > 20


async def test_revived_child_begins_with_a_clean_record(autojump_clock):
    crasher, record = Crasher(*crashes(7)), []
    async with open_supervisor() as supervisor:
        child = supervisor.start(
            "child",
            crasher.work,
            on_quarantine=lambda _: record.append("quarantine"),
            on_revival=lambda: record.append("revival"),
        )
        assert not child.revive()
        await trio.sleep(10)
        assert child.revive()
        await trio.sleep(10)
        assert child.quarantined is None
    assert record == ["quarantine", "revival"]
    assert len(crasher.began) == 8
    assert crasher.began[4] == 10
    assert crasher.delays[4] <= 1.2 * 0.1


async def test_outage_is_waited_out_however_long_it_takes(autojump_clock):
    crasher = Crasher(*[Outage()] * 50)
    async with open_supervisor() as supervisor:
        child = supervisor.start("child", crasher.work, outages=(Outage,))
        await trio.sleep(3600)
    assert child.quarantined is None
    assert len(crasher.began) == 51


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (Outage(), True),
        (KeyError(), False),
        (ExceptionGroup("", [Outage(), ExceptionGroup("", [Outage()])]), True),
        (ExceptionGroup("", [Outage(), KeyError()]), False),
    ],
)
def test_group_is_an_outage_where_each_leaf_is_one(error, outage):
    assert is_outage(error, (Outage,)) is outage


async def test_siblings_never_notice(autojump_clock):
    async def tick():
        while True:
            ticks.append(trio.current_time())
            await trio.sleep(1)

    ticks = []
    async with open_supervisor() as supervisor:
        supervisor.start("crasher", Crasher(*crashes(9)).work)
        sibling = supervisor.start("sibling", tick)
        await trio.sleep(9.5)
    assert ticks == list(range(10))
    assert sibling.restarts == 0


async def test_child_that_ends_by_itself_is_not_restarted(autojump_clock):
    began = []

    async def work():
        began.append(trio.current_time())

    async with open_supervisor() as supervisor:
        child = supervisor.start("child", work)
        await trio.sleep(100)
    assert began == [0]
    assert child.restarts == 0


@pytest.mark.parametrize("moment", [0.0, 0.5, 5.0], ids=["at work", "waiting", "in quarantine"])
async def test_child_can_be_stopped_whatever_it_does(autojump_clock, moment):
    crasher = Crasher(*crashes(4))
    async with open_supervisor() as supervisor:
        child = supervisor.start("child", crasher.work)
        await trio.sleep(moment)
        child.stop()
        await trio.testing.wait_all_tasks_blocked()
        before = len(crasher.began)
        child.revive()
        await trio.sleep(100)
        assert len(crasher.began) == before


async def bad_ending():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError


async def test_child_that_crashes_as_it_is_stopped_takes_nobody_along(autojump_clock):
    async with open_supervisor() as supervisor:
        child = supervisor.start("child", bad_ending)
        sibling = supervisor.start("sibling", trio.sleep_forever)
        await trio.sleep(1)
        child.stop()
        await trio.sleep(1)
        assert (child.restarts, sibling.restarts) == (0, 0)


async def test_child_that_crashes_as_the_supervisor_leaves_is_only_logged(autojump_clock, caplog):
    async with open_supervisor() as supervisor:
        supervisor.start("child", bad_ending)
        await trio.sleep(1)
    assert caplog.messages == ["child crashed while it was being cancelled"]
