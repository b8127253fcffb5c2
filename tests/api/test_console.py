"""What a viewer of a container sees: state, console, events, messages, stats."""

import re

import trio

from actors.container.engine import Sample
from tests.support.fake_engine.container import FakeContainer
from tests.support.fake_engine.faults import Call


async def messages_until(console, last):
    """The daemon's messages up to and with ``last``."""
    await console.until("daemon_message", last)
    return [frame["data"] for frame in console.frames if frame["event"] == "daemon_message"]


async def test_viewer_sees_the_state_that_stands(api):
    api.faults.gates["ensure_image"] = trio.Event()
    await api.post("/containers", await api.a_body(start_pattern="never", stop={"timeout": 3000}))

    async def first():
        async with api.console() as console:
            frame = await console.next()
            assert frame["event"] == "event"
            assert frame["seq"] == api.system.fleet.get("s1").view.position
            return {name: value for name, value in frame.items() if name not in ("event", "seq")}

    member = api.system.fleet.get("s1")
    assert await first() == {"data": "installing"}
    api.faults.gates.pop("ensure_image").set()
    await member.wait_until(lambda view: view.state.install_state == "ready")
    assert await first() == {"data": "ready"}
    await api.power("start", wait=0)
    await member.wait_until(lambda view: view.state.started_at is not None)
    assert await first() == {"data": "starting"}
    api.faults.gates["signal"] = trio.Event()
    await api.power("stop", wait=0)
    assert await first() == {"data": "stopping"}
    api.faults.gates.pop("signal").set()
    await member.wait_until(lambda view: view.state.exit is not None)
    ended = await first()
    assert ended == {"data": "exit", "code": 143, "oom_killed": False, "crashed": False}
    api.faults.gates["remove"] = trio.Event()
    await api.call("DELETE", "/containers/s1", wait=0)
    assert await first() == {"data": "stopping"}
    api.faults.gates.pop("remove").set()


async def test_failed_installation_is_told(api):
    api.faults.gates["ensure_image"] = trio.Event()
    await api.post("/containers", await api.a_body(image="no/such:image"))
    async with api.console() as console:
        assert (await console.next())["data"] == "installing"
        api.faults.gates.pop("ensure_image").set()
        await console.until("event", "failed")
        assert await messages_until(console, "Error") == ["Error: There is no image no/such:image"]
    async with api.console() as console:
        assert (await console.next())["data"] == "failed"


async def test_pull_is_told_as_it_goes(api):
    api.engine.registry.add("far/away:1")
    api.engine.pull_seconds = 0.01
    api.faults.gates["ensure_image"] = trio.Event()
    await api.post("/containers", await api.a_body(image="far/away:1"))
    async with api.console() as console:
        await console.next()
        api.faults.gates.pop("ensure_image").set()
        await console.until("event", "ready")
        said = [frame["data"] for frame in console.frames if frame["event"] == "daemon_message"]
    assert said == ["Pulling far/away:1", "Pulled far/away:1"]


async def test_whole_life_is_told_with_the_lines_before_the_word(api):
    await api.create(start_pattern="Ready")
    async with api.console() as console:
        await api.power("start")
        await api.power("stop")
        await console.until("daemon_message", "stopped")
    told = [(frame["event"], frame["data"]) for frame in console.frames if frame["event"] != "stats"]
    assert told.index(("console", "Ready\n")) < told.index(("event", "running"))
    told.remove(("console", "Ready\n"))
    assert told == [
        ("event", "ready"),
        ("event", "starting"),
        ("daemon_message", "Container started"),
        ("event", "running"),
        ("daemon_message", "Server started"),
        ("event", "stopping"),
        ("event", "exit"),
        ("daemon_message", "Container stopped"),
    ]
    ended = next(frame for frame in console.frames if frame.get("data") == "exit")
    assert ended.keys() == {"event", "data", "seq", "code", "oom_killed", "crashed"}
    assert (ended["code"], ended["oom_killed"], ended["crashed"]) == (143, False, False)
    seqs = [frame["seq"] for frame in console.frames if frame["event"] == "event"]
    assert seqs == sorted(set(seqs))


async def test_crash_is_told_as_one(api):
    await api.create(command="echo one; echo two; exit 7", start_pattern="never")
    async with api.console() as console:
        await api.power("start", status=409)
        ended = await console.until("event", "exit")
    assert (ended["code"], ended["crashed"]) == (7, True)
    assert console.text == "one\ntwo\n"
    async with api.console() as console:
        again = await console.next()
    assert again == ended


async def test_restart_is_told_as_one(api):
    await api.running()
    async with api.console() as console:
        await api.power("restart")
        assert await messages_until(console, "Server started") == [
            "Container stopped",
            "Container restarted",
            "Server started",
        ]
        assert console.states == ["running", "stopping", "exit", "starting", "running"]


async def test_viewer_that_joins_during_a_restart_is_told_of_a_restart(api):
    await api.running()
    api.faults.gates["signal"] = trio.Event()
    await api.power("restart", wait=0)
    async with api.console() as console:
        assert (await console.next())["data"] == "stopping"
        api.faults.gates.pop("signal").set()
        await console.until("daemon_message", "Container restarted")


async def test_start_that_fails_is_an_error_and_the_next_one_no_restart(api):
    await api.port(25565)
    await api.running(ports=[{"ip": "127.0.0.1", "port": 25565}])
    async with api.console() as console:
        api.faults.gates["signal"] = trio.Event()
        await api.power("restart", wait=0)
        api.engine.bound.add((25565, "tcp"))
        api.faults.gates.pop("signal").set()
        said = await messages_until(console, "Error")
        assert said == ["Container stopped", "Error: Port 25565/tcp is in use on the host"]
        failed = [frame for frame in console.frames if frame["event"] == "event"][-1]
        assert (failed["data"], failed["code"], failed["crashed"]) == ("exit", None, True)
        api.engine.bound.clear()
        await api.power("start")
        assert "Container started" in await messages_until(console, "Server started")


async def test_lines_are_numbered_and_a_viewer_that_comes_back_misses_none(api):
    await api.running(command="line-printer 5 0; stdin-echo")
    async with api.console(query="&since_line=0") as console:
        await console.until("console", "Ready")
    assert console.text == "line 1\nline 2\nline 3\nline 4\nline 5\nReady\n"
    assert next(frame["line"] for frame in console.frames if frame["event"] == "console") == 1
    async with api.console(query="&since_line=4") as console:
        frame = await console.until("console")
        assert (frame["data"], frame["line"]) == ("line 5\nReady\n", 5)


async def test_viewer_without_a_line_sees_only_what_is_new(api):
    await api.running()
    for query in ("", "&since_line=1", "&since_line=999999"):
        async with api.console(query=query) as console:
            await console.next()
            await console.send("send_command", command="x")
            await console.until("console", "got: x")
            assert "Ready" not in console.text


async def test_gap_says_how_many_lines_the_ring_has_lost(api):
    await api.create(command="line-printer 50 0; stdin-echo", start_pattern="Ready")
    api.system.fleet.get("s1").console.lines.items = 10
    await api.power("start")
    async with api.console(query="&since_line=5") as console:
        gap = await console.until("gap")
        frame = await console.until("console", "Ready")
    assert gap == {"event": "gap", "missed": 36, "next_line": 42}
    assert (frame["line"], frame["data"]) == (42, "".join(f"line {n}\n" for n in range(42, 51)) + "Ready\n")


async def test_fast_lines_come_many_to_a_frame_with_none_lost(api):
    await api.create(command="flood 0 20000", start_pattern="Ready")
    api.system.fleet.get("s1").console.lines.items = 30_000
    async with api.console() as console:
        await api.power("start")
        await console.until("console", "Flooded")
    chunks = [frame for frame in console.frames if frame["event"] == "console"]
    numbers = [chunk["line"] + n for chunk in chunks for n in range(chunk["data"].count("\n"))]
    assert numbers == list(range(1, 20_003))
    assert len(chunks) < 2000
    assert "gap" not in {frame["event"] for frame in console.frames}


async def test_last_lines_of_a_run_come_before_its_exit_however_many_they_are(api):
    await api.create(command="flood 0 9000", start_pattern="never")
    api.system.fleet.get("s1").console.lines.items = 10_000
    async with api.console() as console:
        await api.power("start")
        await console.until("event", "exit")
    assert "Flooded 9000 lines" in console.text


async def test_viewer_that_comes_back_is_told_the_events_since(api):
    await api.create(start_pattern="Ready")
    async with api.console() as console:
        seq = (await console.next())["seq"]
    await api.power("start")
    await api.power("stop")
    async with api.console(query=f"&since={seq}") as console:
        await console.until("daemon_message", "stopped")
        assert console.states == ["starting", "running", "stopping", "exit"]
        last = max(frame["seq"] for frame in console.frames if frame["event"] == "event")
    for nothing_new in (last, last + 1000):
        async with api.console(query=f"&since={nothing_new}") as console:
            assert (await console.next())["data"] == "exit"


async def test_viewer_without_missed_events_is_sent_the_state(api):
    api.faults.gates["create_server"] = trio.Event()
    await api.post("/containers", await api.a_body())
    member = api.system.fleet.get("s1")
    await member.wait_until(lambda view: view.version == 3)  # created, image ensured, script finished
    created = (await api.get("/containers/s1/events"))["events"][0]["seq"]
    async with api.console(query=f"&since={created}") as console:
        assert (await console.next())["data"] == "installing"


async def test_stats_are_sent_when_they_changed_and_at_once_to_a_new_viewer(api, monkeypatch):
    shown = {"memory": 1000}

    def sample(_container, _now):
        return Sample(
            at=1.0,
            cpu_time=1.0,
            memory_usage=shown["memory"],
            memory_limit=5000,
            network_rx=1,
            network_tx=2,
            block_read=3,
            block_write=4,
        )

    monkeypatch.setattr(FakeContainer, "to_sample", sample)
    monkeypatch.setattr(api.system.fleet, "clock", lambda: 0.0)
    await api.running()

    async def measured(times):
        begun = api.engine.calls.count(Call("sample"))
        with trio.fail_after(20):
            while api.engine.calls.count(Call("sample")) < begun + times:
                await trio.sleep(0.01)

    async with api.console() as console:
        assert await console.until("stats") == {
            "event": "stats",
            "cpu_usage": 0.0,
            "memory_usage": 1000,
            "memory_limit": 5000,
            "network_rx": 1,
            "network_tx": 2,
            "block_read": 3,
            "block_write": 4,
            "uptime": 0,
        }
        await measured(3)
        shown["memory"] = 2000
        assert (await console.until("stats"))["memory_usage"] == 2000
        async with api.console() as late:
            assert [(await late.next())["event"] for _ in range(2)] == ["event", "stats"]
    assert [frame["event"] for frame in console.frames].count("stats") == 2
    await api.power("kill")
    async with api.console() as console:
        await console.send("request_logs")
        await console.until("logs")
        assert "stats" not in {frame["event"] for frame in console.frames}


async def test_commands_that_a_viewer_sent_before_it_left_are_carried_out(api):
    await api.running()
    async with api.console() as watching:
        async with api.console() as leaving:
            for number in range(12):
                await leaving.send("send_command", command=f"last words {number}")
        await watching.until("console", "got: last words 11\n")
    shown = "".join(frame["data"] for frame in watching.frames if frame["event"] == "console")
    typed = re.findall(r"got: last words (\d+)\n", shown)
    assert typed == [str(number) for number in range(12)]


async def test_enter_reaches_a_program_that_reads_keys_and_one_that_reads_lines(api):
    for internal_id, command, tty in (
        ("raw", "raw-echo", True),
        ("cooked", "stdin-echo", True),
        ("pipe", "stdin-echo", False),
    ):
        stop = {"type": "command", "value": "stop", "timeout": 30}
        await api.running(internal_id=internal_id, command=command, tty=tty, stop=stop)
        async with api.console(internal_id) as console:
            await console.send("send_command", command="hello\n")
            await console.until("console", "got: hello\n")
            await api.power("stop", internal_id)
            ended = await console.until("event", "exit")
        assert (ended["code"], ended["crashed"]) == (0, False)
        assert "Stopping\n" in console.text
