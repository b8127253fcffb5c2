"""What clients see of a history whose beginning was condensed."""

import time

import pytest
import trio

from lightd.journal import compaction
from lightd.journal.codec import Codec
from lightd.journal.compaction import Compactor
from tests.api.front import open_api


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    for name, value in {"KEPT": 4, "SLACK": 1, "STEP": 3, "PAUSE_FACTOR": 0.0}.items():
        monkeypatch.setattr(compaction, name, value)


async def compact(api):
    await Compactor(api.journal, api.system.bus, Codec(), time.time).compact("container-s1")


async def test_condensed_history_says_so_and_the_container_is_what_it_was(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create(start_pattern="Ready")
        await api.power("start")
        await api.power("kill")
        shown = await api.show()
        whole = (await api.get("/containers/s1/events"))["events"]
        await compact(api)
        events = (await api.get("/containers/s1/events", since=0))["events"]
        assert [each["type"] for each in events] == ["condensed", *[each["type"] for each in whole[-4:]]]
        assert events[0]["data"] == {"created_at": shown["created_at"]}
        assert events[1:] == whole[-4:]
        assert await api.show() == shown
        after = await api.get("/containers/s1/events", since=whole[-3]["seq"])
        assert after["events"] == whole[-2:]
        async with api.console(query="&since=0") as console:
            assert (await console.next())["data"] == "Earlier events are no longer kept"
            assert (await console.until("event", "exit"))["seq"] == whole[-1]["seq"]
        await api.power("start")
        assert (await api.show())["state"] == "running"
    async with open_api(tmp_path) as api:  # nothing of it is in memory any more
        assert (await api.show())["created_at"] == shown["created_at"]
        async with api.console("", "&since=0") as console:
            assert (await console.next())["data"] == "Earlier events of s1 are no longer kept"
            assert (await console.until("event", "exit"))["internal_id"] == "s1"


async def test_container_is_made_anew_on_a_condensed_history(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create()
        await api.call("DELETE", "/containers/s1")
        later = Compactor(
            api.journal, api.system.bus, Codec(), lambda: time.time() + 2 * compaction.SWEEP_EVERY
        )
        await later.compact("container-s1")
        assert len(await api.system.bus.history("container-s1")) == 1
        await api.create()
        assert (await api.power("start"))["status"] == "succeeded"
        [operation] = {
            each["operation_id"]
            for each in (await api.get("/containers/s1/events"))["events"]
            if each["type"] == "created"
        }
        assert (await api.get(f"/operations/{operation}"))["status"] == "succeeded"


async def test_daemon_compacts_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "EVERY", 0.01)
    async with open_api(tmp_path) as api:
        await api.create()
        for _ in range(3):
            await api.power("start")
            await api.power("kill")
        with trio.fail_after(30):
            while len(await api.system.bus.history("container-s1")) > 5:
                await trio.sleep(0.01)
        assert (await api.get("/containers/s1/events"))["events"][0]["type"] == "condensed"
