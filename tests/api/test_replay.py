"""What a viewer missed is read and sent page by page: a long history costs time, and nobody's memory."""

from actors.kernel.bus import Bus
from lightd.http.live import source


async def everything(api, query):
    async with api.console(query=query) as console:
        await console.until("event", "exit")
        await console.until("daemon_message", "stopped")
        return console.states, [each["data"] for each in console.frames if each["event"] == "daemon_message"]


async def test_replay_is_read_in_pages_and_lacks_nothing(api, monkeypatch):
    await api.running()
    await api.power("stop")
    whole = await everything(api, "&since=0")
    read, since = [], Bus.since

    async def counted(bus, stream, position, limit):
        page = await since(bus, stream, position, limit)
        read.append((position, len(page)))
        return page

    monkeypatch.setattr(Bus, "since", counted)
    monkeypatch.setattr(source, "RECORDS_A_PAGE", 2)
    assert await everything(api, "&since=0") == whole
    assert whole[0] == ["installing", "ready", "starting", "running", "stopping", "exit"]
    assert max(length for _, length in read) <= 2
    assert [position for position, _ in read] == sorted({position for position, _ in read})


async def test_replay_that_begins_within_a_restart_still_calls_it_one(api):
    await api.running()
    await api.power("restart")
    events = (await api.get("/containers/s1/events"))["events"]
    asked = next(each["seq"] for each in events if each["type"] == "stop-requested")
    await api.power("stop")
    async with api.console(query=f"&since={asked}") as console:
        assert (await console.until("daemon_message", "started"))["data"] == "Container restarted"
