"""Stations for viewers who may not see everything: the rest is told whole, in its order and its place."""

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.container import messages
from actors.container.state import Phase
from actors.container.stats import Stats
from lightd.http.live.broadcast import Cut
from lightd.http.live.hub import open_hub
from lightd.http.live.kinds import EVERY_KIND
from lightd.http.live.source import ContainerSource
from tests.simulated.pages import Page
from tests.simulated.world import open_world

ALWAYS = frozenset({"event", "daemon_message", "error"})
READING = ALWAYS | {"console", "gap", "logs"}
MEASURING = ALWAYS | {"stats"}
SETS = (ALWAYS, READING, MEASURING, EVERY_KIND)


async def look_on(stations, member, page, kinds):
    with stations.container(member, kinds) as station:
        viewer = await station.join(page)
        try:
            await viewer.follow()
        finally:
            viewer.leave()


def a_stats(n):
    return Stats(*[float(n)] * len(attrs.fields(Stats)))


async def test_each_set_of_kinds_is_what_the_whole_is_without_the_others(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.create()
        pages = {kinds: Page() for kinds in SETS}
        async with trio.open_nursery() as nursery:
            for kinds, page in pages.items():
                nursery.start_soon(look_on, stations, member, page, kinds)
            await wait_all_tasks_blocked()
            for turn in range(3):
                await world.tell(messages.Start())
                await world.wait(Phase.RUNNING)
                for n in range(200):
                    member.console.write(b"line %d\n" % n)
                    if n % 50 == 0:
                        member.stats.set(a_stats(turn * 1000 + n))
                        member.console.say(f"note {turn} {n}")
                    await trio.sleep(0.001)
                member.console.write(b"last words\n")
                await world.tell(messages.Kill())
                await world.wait(Phase.OFFLINE)
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        whole = pages[EVERY_KIND].told
        assert {frame["event"] for frame in whole} == {"event", "daemon_message", "console", "stats"}
        for kinds, page in pages.items():
            if "console" in kinds:
                assert page.text == pages[EVERY_KIND].text
            told_apart = ("console", "stats")  # lines are joined, and stats skipped, by when one looks
            assert [f for f in page.told if f["event"] not in told_apart] == [
                f for f in whole if f["event"] not in told_apart
            ]
            assert {f["event"] for f in page.told} == kinds & {f["event"] for f in whole}
            where = [f for f in page.told if f["event"] == "console"]
            at = 0
            for frame in where:
                assert at in (0, frame["line"])
                at = frame["line"] + frame["data"].count("\n")
            assert not [f for f in page.told if f["event"] == "gap"]


async def look_on_a_flood(kinds):
    """What a viewer of ``kinds`` is sent of 2,000 lines in a second, and how often its feed looks for it."""
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.running()
        page, looks = Page(), []
        look = ContainerSource.look

        async def counted(source, publish):
            looks.append(trio.current_time())
            return await look(source, publish)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ContainerSource, "look", counted)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(look_on, stations, member, page, kinds)
                await wait_all_tasks_blocked()
                for _ in range(2000):
                    member.console.write(b"x\n")
                    await trio.sleep(0.0005)
                nursery.cancel_scope.cancel()
        return page.told, len(looks)


@pytest.mark.parametrize("kinds", [ALWAYS, MEASURING], ids=["neither", "stats"])
async def test_flood_that_is_not_shown_costs_no_frame_and_no_turn_more_than_one_that_is(
    autojump_clock, kinds
):
    shown, most = await look_on_a_flood(READING)
    assert len(shown) > 10
    told, looks = await look_on_a_flood(kinds)
    assert told == []
    assert looks <= most
    assert looks < 150  # of 2,000 lines


async def test_viewer_that_sees_no_lines_is_sent_no_gap(autojump_clock):
    async with open_world() as world, open_hub(world.bus):
        member = await world.running()
        since = Cut(0, 0)
        until = Cut(10, member.view.position)
        for kinds in SETS:
            source = ContainerSource(world.bus, member, kinds)
            lost = Page()
            async for framed in source.lost(since, until):
                await lost.write(framed)
            shown = [frame["event"] for frame in lost.told]
            assert shown.count("gap") == ("console" in kinds)
            assert shown.count("event") == 4


async def test_source_that_shows_no_lines_is_at_the_head_of_them(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.running()
        page = Page()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_on, stations, member, page, MEASURING)
            await wait_all_tasks_blocked()
            member.console.write(b"one\ntwo\n")
            member.stats.set(a_stats(1))
            await trio.sleep(1)
            (station,) = stations._containers.values()
            assert station.source.cut.line == member.console.lines.last
            assert [frame["event"] for frame in page.told] == ["stats"]
            nursery.cancel_scope.cancel()
