"""``GET /containers/:id/install-log``: what an installer printed, and how it ended."""

import json

import trio

from tests.support.fake_engine.engine import RIG_IMAGE
from tests.support.scoped import bearing, mint


def to_installer(script):
    return {"image": RIG_IMAGE, "entrypoint": "sh", "script": script}


async def show(api, status=200):
    return await api.get("/containers/s1/install-log", status=status)


async def test_log_of_a_container_without_an_installer_is_a_404(api):
    await api.create("s1")
    assert (await show(api, 404))["code"] == "install_log_not_found"
    assert (await api.get("/containers/ghost/install-log", status=404))["code"] == "container_not_found"


async def test_log_has_the_lines_of_the_installer_and_not_of_the_server(api):
    await api.create("s1", install_script="echo one; echo two")
    await api.power("start")
    log = await show(api)
    assert [(line["line"], line["text"]) for line in log["lines"]] == [(1, "one"), (2, "two")]
    assert (log["status"], log["exit_code"], log["error"]) == ("succeeded", 0, None)
    assert (log["attempt"], log["left_out"]) == (1, 0)
    assert log["started_at"] <= log["finished_at"]
    await api.post(
        "/containers/s1/reinstall", {"install": to_installer("echo three; exit 4")}, wait=20, status=409
    )
    log = await show(api)
    assert [line["text"] for line in log["lines"]] == ["three"]
    assert (log["attempt"], log["status"], log["exit_code"]) == (2, "failed", 4)
    assert log["error"] == "the install script ended with exit code 4"


async def test_log_of_an_installer_that_runs_is_shown_as_far_as_it_is(api):
    body = await api.a_body(install=to_installer("echo one; sleep 1000"))
    await api.post("/containers", body)
    with trio.fail_after(10):
        while (
            answer := await api.ask("GET", "/containers/s1/install-log")
        ).status_code != 200 or not answer.json()["lines"]:
            await trio.sleep(0.01)
    log = answer.json()
    assert (log["status"], log["exit_code"], log["finished_at"]) == ("running", None, None)
    assert [line["text"] for line in log["lines"]] == ["one"]
    await api.post("/containers/s1/stop")
    with trio.fail_after(10):
        while (await show(api))["status"] == "running":
            await trio.sleep(0.01)
    log = await show(api)
    assert (log["status"], log["error"]) == ("aborted", "it was ended before it had finished")


async def test_log_needs_the_permission_of_the_console(api):
    await api.create("s1", install_script="echo one")
    for permissions, status in ((["console.read"], 200), (["power"], 403)):
        headers = bearing(await mint(api, ["s1"], permissions))
        assert (await api.ask("GET", "/containers/s1/install-log", headers=headers)).status_code == status


async def test_command_prints_what_the_installer_printed(api, shell):
    await api.create("s1", install_script="echo one; echo two; echo three")
    await api.power("start")
    assert await shell("logs", "s1", "--install") == (0, "one\ntwo\nthree\n", "")
    assert await shell("logs", "s1", "--install", "-n", "1") == (0, "three\n", "")
    code, out, _ = await shell("logs", "s1", "--install", "--json")
    assert (code, json.loads(out.splitlines()[0])["line"]) == (0, 1)
    code, _, err = await shell("logs", "s1", "--install", "-f")
    assert (code, err) == (2, "lightd: --install excludes --follow, --grep, --since and --until\n")


async def test_command_says_how_an_installer_failed(api, shell):
    body = await api.a_body(install_script="echo one; exit 3")
    await api.post("/containers", body, wait=20, status=409)
    code, out, err = await shell("logs", "s1", "--install")
    assert (code, out) == (0, "one\n")
    assert "s1: the install script ended with exit code 3" in err
