"""The whole daemon on the process engine: its programs outlive it, and it finds them again."""

import os

import httpx
import pytest
import trio

from tests.support.daemon import HEADERS, NO_AUTHORITIES, USER, Daemon


def to_settings():
    return {
        "docker": {"engine": "process", "socket_path": "/no/such.sock", "allowed_mounts": [], "user": USER}
    }


@pytest.fixture
async def process_daemon(host):
    """A daemon on the process engine, serving."""
    daemon = Daemon(host.folder, node=host.node, settings=to_settings())
    host.state_path = host.folder / "storage" / "processes"
    try:
        await daemon.start()
        await daemon.engine_up()
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def programs(host):
    return host.programs


async def create(daemon, command, **fields):
    return await daemon.create(command=command, image="host", **fields)


async def kept(daemon):
    return [(line["line"], line["text"]) for line in (await daemon.get("/containers/s1/logs"))["lines"]]


async def wait_kept(daemon, words):
    """The lines that are kept, once those ``words`` are among them."""
    with trio.fail_after(30):
        while True:
            lines = await kept(daemon)
            if any(words in text for _, text in lines):
                return lines
            await trio.sleep(0.05)


async def test_whole_life_over_the_api(process_daemon, programs):
    await create(
        process_daemon, f"{programs}/stdin-echo", start_pattern="Ready", install_script="echo installed > it"
    )
    async with process_daemon.console() as console:
        await process_daemon.power("start")
        await console.until("event", "running")
        await console.until("stats")
        await console.send("send_command", command="hello")
        await console.until("console", "got: hello")
        await process_daemon.power("stop")
        ended = await console.until("event", "exit")
    assert (ended["code"], ended["crashed"]) == (143, False)
    volume = (await process_daemon.show())["volume_id"]
    listed = await process_daemon.get(f"/volumes/{volume}/files")
    assert [row["name"] for row in listed["files"]] == ["it"]
    await process_daemon.call("DELETE", "/containers/s1")
    assert "without isolation" in process_daemon.log.read_text()


async def test_program_runs_on_while_the_daemon_is_killed_and_its_console_goes_on(process_daemon, programs):
    await create(process_daemon, f"{programs}/stdin-echo", start_pattern="Ready")
    await process_daemon.power("start")
    async with process_daemon.console() as console:
        await console.send("send_command", command="before")
        await console.until("console", "got: before")
    begun = (await process_daemon.show())["started_at"]
    before = await wait_kept(process_daemon, "got: before")
    process_daemon.kill()
    await process_daemon.start()
    await process_daemon.engine_up()
    async with process_daemon.console() as console:
        await console.send("send_command", command="after")
        frame = await console.until("console", "got: after")
    shown = await process_daemon.show()
    assert (shown["state"], shown["started_at"]) == ("running", begun)
    assert frame["line"] > before[-1][0]
    after = await wait_kept(process_daemon, "got: after")
    assert after[: len(before)] == before
    assert [number for number, _ in after] == list(range(after[0][0], after[0][0] + len(after)))


async def test_exit_that_nobody_saw_has_its_true_code_and_its_last_words(process_daemon, host):
    await create(process_daemon, "echo Ready; while [ ! -e leave ]; do sleep 0.05; done; echo bye; exit 7")
    await process_daemon.power("start")
    shown = await process_daemon.show()
    process_daemon.kill()
    (host.folder / "storage/volumes" / shown["volume_id"] / "leave").touch()
    folder = next(host.state.iterdir())
    with trio.fail_after(30):
        while not (folder / "exit").exists():
            await trio.sleep(0.02)
    await process_daemon.start()
    shown = await process_daemon.show()
    assert (shown["state"], shown["exit"]["code"], shown["exit"]["oom_killed"]) == ("offline", 7, False)
    await wait_kept(process_daemon, "bye")


async def test_supervisor_that_died_while_nobody_looked_leaves_an_unknown_code(
    process_daemon, host, programs
):
    await create(process_daemon, f"{programs}/stdin-echo")
    await process_daemon.power("start")
    process_daemon.kill()
    os.kill(host.supervisor_of(next(host.state.iterdir()).name), 9)
    await process_daemon.start()
    shown = await process_daemon.show()
    assert (shown["state"], shown["exit"]["code"]) == ("offline", None)
    await process_daemon.power("start")
    assert (await process_daemon.show())["state"] == "running"


async def test_image_of_docker_fails_the_creation_and_says_why(process_daemon):
    answer = await process_daemon.create(image="ubuntu:22.04", wait=False)
    operation = await process_daemon.get(f"/operations/{answer['operation_id']}")
    with trio.fail_after(30):
        while operation["status"] == "pending":
            await trio.sleep(0.02)
            operation = await process_daemon.get(f"/operations/{answer['operation_id']}")
    assert operation["status"] == "failed"
    assert "image: ubuntu:22.04 is not available" in operation["error"]


async def test_another_engine_needs_a_restart(process_daemon):
    config = process_daemon.config.read_text().replace('"engine": "process"', '"engine": "docker"')
    process_daemon.config.write_text(config)
    async with httpx.AsyncClient(headers=HEADERS, trust_env=False, verify=NO_AUTHORITIES) as client:
        answer = (await client.post(f"{process_daemon.url}/remote/config/reload")).json()
    assert answer["restart_required"] == ["docker.engine"]
