"""The console's log on a real engine and a real disk, across the ends of daemons and containers."""

import itertools
import random
import stat

import trio

from tests.rig import engine
from tests.support.daemon import inspect


async def lines_of(daemon, limit=10_000, internal_id="s1"):
    """The end of the console as (number, text)."""
    found = (await daemon.get(f"/containers/{internal_id}/logs", lines=limit))["lines"]
    return [(each["line"], each["text"]) for each in found]


async def wait_text(daemon, text, internal_id="s1"):
    with trio.fail_after(60):
        while not any(line == text for _, line in await lines_of(daemon, internal_id=internal_id)):
            await trio.sleep(0.05)


async def test_every_line_is_logged_once_and_in_order_however_often_the_daemon_is_killed(daemon):
    chance = random.Random(4)
    for internal_id, tty in (("s1", True), ("s2", False)):
        await daemon.create(internal_id, command="line-printer 2000 0.005", tty=tty)
        await daemon.power("start", internal_id)
    for _ in range(5):
        await trio.sleep(chance.uniform(0.2, 1.5))
        daemon.kill()
        await trio.sleep(chance.uniform(0.0, 0.5))
        await daemon.start()
        await daemon.engine_up()
    for internal_id in ("s1", "s2"):
        await wait_text(daemon, "line 2000", internal_id)
        found = await lines_of(daemon, internal_id=internal_id)
        assert [text for _, text in found] == [f"line {n}" for n in range(1, 2001)]
        assert [number for number, _ in found] == list(range(1, 2001))


async def test_container_that_is_made_anew_goes_on_with_the_numbers(daemon):
    await daemon.create(
        command="line-printer 3 0; echo Ready; cat", start_pattern="Ready", install_script="echo installing"
    )
    await daemon.power("start")
    engine.call("DELETE", "/containers/lightd-s1", force=1)
    with trio.fail_after(60):
        while (await daemon.show())["state"] != "offline":
            await trio.sleep(0.05)
    await daemon.power("start")
    life = ["line 1", "line 2", "line 3", "Ready"]
    found = await lines_of(daemon)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    told = [text for _, text in found if text != "Hangup"]  # a shell may say so when its container goes
    assert told == ["installing", *life, *life]
    daemon.kill()
    await daemon.start()
    await daemon.engine_up()
    assert await lines_of(daemon) == found


async def test_prompt_is_whole_although_another_daemon_read_its_beginning(daemon):
    await daemon.create(command="prompt", start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("send_command", command="one")
        await console.until("console", "got: one")
    daemon.kill()
    await daemon.start()
    await daemon.engine_up()
    async with daemon.console() as console:
        await console.send("send_command", command="two")
        await console.until("console", "got: two")
        await console.send("send_command", command="three")
        await console.until("console", "got: three")
    found = await lines_of(daemon)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    texts = [text for _, text in found]
    for word in ("one", "two", "three"):
        assert sum(f"got: {word}" in text for text in texts) == 1, texts
        assert sum(text.endswith(f"Ready\x1b[0m> {word}") for text in texts) == 1, texts


async def test_lines_that_are_all_the_same_are_counted(daemon):
    # As slowly as clocks tell apart on a busy machine, too: nothing else does, where no line differs.
    await daemon.create(
        command="sh -c 'i=0; while [ $i -lt 12 ]; do echo tick; i=$((i+1)); sleep 0.8; done; echo End; cat'"
    )
    await daemon.power("start")
    for _ in range(3):
        await trio.sleep(1)
        daemon.kill()
        await daemon.start()
        await daemon.engine_up()
    await wait_text(daemon, "End")
    assert [text for _, text in await lines_of(daemon)] == ["tick"] * 12 + ["End"]


async def test_log_is_bounded_is_the_daemon_s_alone_and_goes_with_its_container(daemon):
    await daemon.create(command="flood 20000 100000; echo End; cat")
    await daemon.power("start")
    await wait_text(daemon, "End")
    await trio.sleep(1)
    root = daemon.folder / "storage" / "consoles"
    files = sorted((root / "s1").iterdir())
    assert [file.name for file in files] == ["console.log", "console.log.1"]
    assert all(file.stat().st_size <= 2 * 1024 * 1024 for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    found = await lines_of(daemon)
    numbers = [number for number, _ in found]
    assert len(numbers) == 10_000
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))
    binds = [mount["Source"] for mount in inspect("s1")["Mounts"]]
    assert not any(str(root).startswith(bind) or bind.startswith(str(root)) for bind in binds)
    await daemon.call("DELETE", "/containers/s1")
    with trio.fail_after(20):
        while list(root.iterdir()):
            await trio.sleep(0.05)


async def test_full_disk_stops_neither_the_console_nor_the_daemon(daemon):
    await daemon.create(command="line-printer 1000 0.005; cat")
    root = daemon.folder / "storage" / "consoles"
    await daemon.power("start")
    await wait_text(daemon, "line 50")
    with trio.fail_after(10):
        while not (root / "s1" / "console.log").exists():
            await trio.sleep(0.05)
    (root / "s1" / "console.log").unlink()
    (root / "s1" / "console.log").mkdir()  # what is no file can't be written
    await wait_text(daemon, "line 400")
    assert "cannot be written" in daemon.log.read_text()
    (root / "s1" / "console.log").rmdir()
    await wait_text(daemon, "line 1000")
    with trio.fail_after(20):
        while b"line 1000" not in (
            (root / "s1" / "console.log").read_bytes() if (root / "s1" / "console.log").exists() else b""
        ):
            await trio.sleep(0.05)
    assert "console logs are written again" in daemon.log.read_text()
