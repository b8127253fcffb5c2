"""Stations over real actors in virtual time: what is published, in which order, and for whom at all."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.container import messages
from actors.container.state import Phase
from actors.container.stats import Stats
from lightd.http.live import frames
from lightd.http.live.broadcast import BroadcastBroken
from lightd.http.live.hub import open_hub
from lightd.http.live.pacing import FEW, LONG, PROMPT
from tests.simulated.pages import Page, look_on
from tests.simulated.world import a_spec, open_world


@asynccontextmanager
async def open_watched(spec=None):
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.create(spec)
        page = Page()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_on, stations, member, page)
            await wait_all_tasks_blocked()
            yield world, stations, page
            nursery.cancel_scope.cancel()


async def test_lines_and_events_keep_their_order_through_a_pause(autojump_clock):
    async with open_watched() as (world, _stations, page):
        console = world.member().console
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        for _ in range(300):
            console.write(b"fast\n")
            await trio.sleep(0.001)
        before = len(page.frames)
        console.write(b"the last line\n")
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        console.write(b"between\n")
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        console.write(b"after\n")
        await trio.sleep(1)
        new = page.told[before:]
        text = [str(frame["data"]) for frame in new if frame["event"] in ("event", "console")]
        joined = "".join(f"[{each}]" if not each.endswith("\n") else each for each in text)
        joined = joined.replace("fast\n", "")
        assert joined == "the last line\n[stopping][exit]between\n[starting]Ready\n[running]after\n"


async def test_quiet_console_is_sent_at_once_and_a_fast_one_in_batches(autojump_clock):
    async with open_watched() as (world, _stations, page):
        console = world.member().console
        for _ in range(10):
            console.write(b"quiet\n")
            now = trio.current_time()
            await wait_all_tasks_blocked()
            assert page.frames[-1][0] == now
            await trio.sleep(0.1)
        before = len(page.frames)
        for _ in range(1000):
            console.write(b"fast\n")
            await trio.sleep(0.001)
        await trio.sleep(1)
        assert page.text == "quiet\n" * 10 + "fast\n" * 1000
        assert len(page.frames) - before < 1.0 / PROMPT + 100


@pytest.mark.parametrize(("viewers", "most"), [(1, PROMPT), (FEW, PROMPT), (FEW + 1, LONG)])
async def test_line_of_a_fast_console_is_as_old_as_the_pause_at_most(autojump_clock, viewers, most):
    async with open_watched() as (world, stations, page), trio.open_nursery() as nursery:
        for _ in range(viewers - 1):
            nursery.start_soon(look_on, stations, world.member(), Page())
        await wait_all_tasks_blocked()
        written = {}
        for number in range(1000):
            world.member().console.write(b"%d\n" % number)
            written[str(number)] = trio.current_time()
            await trio.sleep(0.001)
        await trio.sleep(1)
        ages = [
            at - written[line]
            for at, frame in page.frames
            if frame["event"] == "console"
            for line in frame["data"].split()
        ]
        assert len(ages) == 1000
        assert max(ages) == pytest.approx(most, abs=0.0011)
        nursery.cancel_scope.cancel()


async def test_first_line_after_a_flood_and_a_silence_is_sent_at_once(autojump_clock):
    async with open_watched() as (world, _stations, page):
        console = world.member().console
        for _ in range(100):
            console.write(b"fast\n" * 100)
            await trio.sleep(0.001)
        await trio.sleep(2 * LONG)
        console.write(b"the first\n")
        now = trio.current_time()
        await wait_all_tasks_blocked()
        assert page.frames[-1][0] == now
        assert page.frames[-1][1]["data"] == "the first\n"


async def test_container_without_viewers_is_not_framed(autojump_clock, monkeypatch):
    async with open_watched() as (world, stations, _page):
        assert len(stations._containers) == 1
    async with open_world() as world, open_hub(world.bus) as stations:
        monkeypatch.setattr(frames, "to_frame", lambda value: 1 / 0)
        member = await world.running()
        page = Page()
        with trio.move_on_after(1):
            await look_on(stations, member, page)
        assert not stations._containers
        member.console.write(b"for nobody\n")
        await trio.sleep(1)


async def test_bug_ends_its_feed_for_all_its_viewers_and_the_next_one_gets_another(autojump_clock, caplog):
    async with open_world() as world, open_hub(world.bus) as stations:
        member, other = await world.running(), await world.running(a_spec("s2"))
        page, far = Page(), Page()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_on, stations, other, far)
            with pytest.MonkeyPatch.context() as broken, pytest.RaisesGroup(BroadcastBroken, BroadcastBroken):
                async with trio.open_nursery() as viewers:
                    viewers.start_soon(look_on, stations, member, page)
                    viewers.start_soon(look_on, stations, member, Page())
                    await wait_all_tasks_blocked()
                    broken.setattr(frames, "to_console", lambda *_: 1 / 0)
                    member.console.write(b"lost\n")
            nursery.start_soon(look_on, stations, member, page)
            await wait_all_tasks_blocked()
            member.console.write(b"again\n")
            other.console.write(b"well\n")
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert (page.text, far.text) == ("again\n", "well\n")
    assert "a broadcast failed" in caplog.text


async def test_bug_that_shows_when_somebody_joins_ends_the_feed_too(autojump_clock, monkeypatch):
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.running()
        with pytest.RaisesGroup(BroadcastBroken, ZeroDivisionError):
            async with trio.open_nursery() as viewers:
                viewers.start_soon(look_on, stations, member, Page())
                await wait_all_tasks_blocked()
                monkeypatch.setattr(frames, "to_console", lambda *_: 1 / 0)
                with stations.container(member) as station:
                    member.console.write(b"lost\n")
                    await station._looking.acquire()
                    viewers.start_soon(look_on, stations, member, Page())
                    await wait_all_tasks_blocked()
                    station._looking.release()
                    await trio.sleep(1)


async def test_deleted_container_ends_its_feed_after_its_last_word(autojump_clock):
    async with open_world() as world, open_hub(world.bus) as stations:
        member = await world.running()
        page = Page()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_on, stations, member, page)
            await wait_all_tasks_blocked()
            await world.tell(messages.Delete())
        assert [frame["data"] for frame in page.told if frame["event"] == "event"][-1] == "deleted"
        late = Page()
        await look_on(stations, member, late)
        assert late.told == []
        assert not stations._containers


@attrs.define(eq=False)
class FullPage(Page):
    """A socket that takes nothing until it is opened."""

    room: trio.Event = attrs.field(factory=trio.Event)

    def write_nowait(self, framed):
        return self.room.is_set() and Page.write_nowait(self, framed)

    async def write(self, framed):
        await self.room.wait()
        Page.write_nowait(self, framed)


async def test_stats_keep_their_place_among_lines_and_events_for_a_slow_viewer_too(autojump_clock):
    async with open_watched() as (world, stations, page), trio.open_nursery() as nursery:
        member, late = world.member(), FullPage()
        nursery.start_soon(look_on, stations, member, late)
        await wait_all_tasks_blocked()
        before = len(page.frames)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        for number in range(3):
            member.console.write(b"line\n")
            await trio.sleep(1)
            member.stats.set(Stats(number, 2, 3, 4, 5, 6, 7, 8))
            await trio.sleep(1)
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        await trio.sleep(1)
        assert not late.frames
        late.room.set()
        await trio.sleep(1)
        new = page.told[before:]
        names = [frame.get("data", "stats") for frame in new if frame["event"] != "daemon_message"]
        assert names == [
            *("starting", "Ready\n", "running"),
            *("line\n", "stats") * 3,
            *("stopping", "exit"),
        ]
        assert late.told == new
        nursery.cancel_scope.cancel()
