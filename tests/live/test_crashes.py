"""Crashes and what follows them, on a real engine: restarts, crash loops, and what is told of them."""

import trio

from tests.rig import engine
from tests.support.daemon import inspect

ID = "crashing"
STOP = {"type": "command", "value": "stop", "timeout": 20}


async def wait_event(daemon, kind):
    """Wait for an event in the history, and return the data of all of its kind."""
    with trio.fail_after(60):
        while not (found := await events(daemon, kind)):
            await trio.sleep(0.02)
    return found


async def events(daemon, kind):
    found = (await daemon.get(f"/containers/{ID}/events", limit=1000))["events"]
    return [event["data"] for event in found if event["type"] == kind]


async def test_crash_loop_is_restarted_ends_and_is_told(daemon):
    policy = {"mode": "on-crash", "max": 2, "within": 60}
    await daemon.create(ID, command="crash-looper 7 0.2", start_pattern="Ready", restart_policy=policy)
    async with daemon.console(ID) as console:
        await daemon.power("start", ID, status=None)
        given_up = await console.until("daemon_message", "crash loop")
        said = [frame["data"] for frame in console.frames if frame["event"] == "daemon_message"]
    once = ["starting", "running", "exit"]
    assert console.states == ["ready", *once * 3]
    exits = [frame for frame in console.frames if frame.get("data") == "exit"]
    assert [(frame["code"], frame["crashed"]) for frame in exits] == [(7, True)] * 3
    again = [text for text in said if "started again" in text]
    assert again == [f"Container crashed, it is started again in {n} seconds" for n in (1, 2)]
    reason = "the process ended with exit code 7"
    loop = f"crash loop: {reason}, after it was restarted 2 times within 60 seconds"
    assert given_up["data"] == f"Error: {loop}"
    shown = await daemon.show(ID)
    assert (shown["state"], shown["error"], shown["exit"]["code"]) == ("offline", loop, 7)
    for crash in await events(daemon, "exited"):
        assert (crash["code"], crash["oom_killed"], crash["expected"]) == (7, False, False)
        assert crash["reason"] == reason
        assert crash["tail"][-2:] == ["Ready", "Crashing with 7"]
    assert len(await events(daemon, "restarts-given-up")) == 1


async def test_policy_always_starts_again_after_a_clean_exit_too(daemon):
    policy = {"mode": "always", "max": 5, "within": 60}
    await daemon.create(ID, start_pattern="Ready", restart_policy=policy)
    await daemon.power("start", ID, status=None)
    async with daemon.console(ID) as console:
        await console.send("send_command", command="exit 0")
        ended = await console.until("event", "exit")
        await console.until("event", "running")
    assert (ended["code"], ended["crashed"]) == (0, True)
    assert (await daemon.power("kill", ID))["status"] == "succeeded"
    await trio.sleep(1.5)
    assert (await daemon.show(ID))["state"] == "offline"


async def test_clean_exit_is_no_crash_to_on_crash(daemon):
    await daemon.create(ID, start_pattern="Ready", restart_policy={"mode": "on-crash"})
    await daemon.power("start", ID, status=None)
    async with daemon.console(ID) as console:
        await console.send("send_command", command="exit 0")
        await console.until("event", "exit")
    assert await events(daemon, "restart-scheduled") == []


async def test_memory_hog_is_told_with_its_last_words(daemon):
    await daemon.create(ID, command="echo loading; memory-hog", limits={"memory": 32 * 1024 * 1024})
    await daemon.power("start", ID, status=None)
    [crash] = await wait_event(daemon, "exited")
    assert (crash["oom_killed"], crash["expected"]) == (True, False)
    assert crash["reason"] == "the process was killed because it exceeded its memory limit"
    assert crash["tail"][:2] == ["loading", "Ready"]
    assert (await daemon.show(ID))["exit"]["oom_killed"] is True


async def test_exit_code_0_after_a_child_was_killed_for_its_memory_is_no_crash(daemon):
    """Docker's flag is set until the next end, which has another cause."""
    limits, policy = {"memory": 100 * 1024 * 1024}, {"mode": "on-crash"}
    command = "echo began; [ -e twice ] || memory-hog; touch twice; echo survived; stdin-echo"
    await daemon.create(ID, command=command, start_pattern="began", limits=limits, restart_policy=policy)
    await daemon.power("start", ID, status=None)
    async with daemon.console(ID) as console:
        await console.until("console", "survived")
        await console.send("send_command", command="exit 0")
        ended = await console.until("event", "exit")
        assert inspect(ID)["State"]["OOMKilled"]
        assert (ended["code"], ended["oom_killed"], ended["child_oom_killed"]) == (0, False, True)
        [told] = await events(daemon, "exited")
        assert (told["oom_killed"], told["child_oom_killed"]) == (False, True)
        assert told["reason"].endswith(
            "exit code 0; another process in the container was killed for its memory"
        )
        assert await events(daemon, "restart-scheduled") == []
        await daemon.power("start", ID, status=None)
        engine.call("POST", f"/containers/lightd-{ID}/kill", signal="KILL")
        await console.until("event", "exit")
    again = (await events(daemon, "exited"))[1]
    assert (again["code"], again["oom_killed"], again["child_oom_killed"]) == (137, False, False)


async def test_kill_by_hand_is_a_crash_and_is_restarted(daemon):
    await daemon.create(ID, start_pattern="Ready", restart_policy={"mode": "on-crash"}, stop=STOP)
    await daemon.power("start", ID, status=None)
    pid = inspect(ID)["State"]["Pid"]
    async with daemon.console(ID) as console:
        engine.call("POST", f"/containers/lightd-{ID}/kill", signal="KILL")
        ended = await console.until("event", "exit")
        await console.until("event", "running")
        assert console.states == ["running", "exit", "starting", "running"]
    assert (ended["code"], ended["crashed"]) == (137, True)
    assert (await events(daemon, "exited"))[0]["reason"] == "the process was ended by signal 9"
    assert inspect(ID)["State"]["Pid"] not in (0, pid)


async def test_stop_during_the_wait_is_the_end_of_it(daemon):
    policy = {"mode": "on-crash", "max": 9, "within": 60}
    await daemon.create(ID, command="crash-looper 1 0", start_pattern="Ready", restart_policy=policy)
    async with daemon.console(ID) as console:
        await daemon.power("start", ID, status=None)  # it can crash before it was seen to be ready
        await console.until("daemon_message", "started again")
        answered = await daemon.power("stop", ID)
    assert answered["status"] == "succeeded"
    await trio.sleep(1.5)
    assert (await daemon.show(ID))["state"] == "offline"
    assert len(await events(daemon, "exited")) == 1
    assert len(await events(daemon, "restart-called-off")) == 1
