"""The page of operations on ordinary days: each block as it stands, and what it says that one sees."""

import datetime as dt
import json
import re

import httpx
import trio
import trustme

from tests.rig import engine
from tests.support.daemon import HEADERS, NO_AUTHORITIES, Daemon, free_port, inspect, settled
from tests.support.page import open_shell
from tests.support.page_blocks import blocks

PAGE = "docs/operations.md"
ID = "ops-page"


async def until(condition):
    """Wait until ``await condition()`` is true, and return what it is."""
    with trio.fail_after(60):
        while not (found := await condition()):
            await trio.sleep(0.05)
    return found


async def status_with(daemon, token):
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, timeout=60) as client:
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        return (await client.get(f"{daemon.url}/containers", headers=headers)).status_code


# A new configuration


async def test_configuration_is_read_again_in_both_ways_and_is_told(installed, page_shell):
    reload, _ = blocks(PAGE, "Changing the configuration")
    file = json.loads(installed.config.read_text())
    file["monitoring"]["interval_ms"] = 300
    file["docker"]["engine"] = "process"
    installed.config.write_text(json.dumps(file))
    told = json.loads(await page_shell.run(reload))
    assert told["restart_required"] == ["docker.engine"]
    await until(lambda: _in_log(installed, "applied: monitoring.interval_ms; restart required for"))
    assert (await installed.get("/remote/config"))["monitoring"]["interval_ms"] == 300


async def _in_log(daemon, text):
    return text in daemon.log.read_text()


async def test_master_token_is_replaced_without_a_restart(installed, page_shell):
    _, replace = blocks(PAGE, "Changing the configuration")
    before, pid = json.loads(installed.config.read_text())["authorization"]["token"], installed.process.pid
    said = await page_shell.run(f'{replace}\necho "now $token"')
    after = said.splitlines()[-1].removeprefix("now ")
    assert f"New Token: {after}" in said.splitlines()
    assert after != before

    async def replaced():
        return await status_with(installed, before) == 401

    await until(replaced)
    assert await status_with(installed, after) == 200
    assert (installed.process.pid, installed.process.poll()) == (pid, None)


# The audit


async def test_audit_is_read_from_the_journals_file_with_lightd_running_and_stopped(installed, page_shell):
    engine.require("sqlite3")
    (read,) = blocks(PAGE, "The audit")
    volume = await installed.volume()
    await installed.call("DELETE", f"/volumes/{volume}")
    running = (await page_shell.run(read)).splitlines()
    installed.stop()
    for said in (running, (await page_shell.run(read)).splitlines()):
        deleted, made = (line.split("|") for line in said[:2])
        assert made[1:6] == ["master", "127.0.0.1", "POST", "/volumes", "201"]
        assert deleted[1:] == ["master", "127.0.0.1", "DELETE", f"/volumes/{volume}", "200", ""]
        age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(f"{made[0]}+00:00")
        assert abs(age) < dt.timedelta(hours=1)


# TLS


ENDS = [dt.datetime(2031, 1, 30, 4, 5, 6, tzinfo=dt.UTC), dt.datetime(2032, 12, 1, tzinfo=dt.UTC)]


async def test_certificate_end_is_shown_for_the_first_and_a_renewed_one(tmp_path):
    engine.require("openssl")
    (show,) = blocks(PAGE, "TLS")
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    server = {"host": "127.0.0.1", "port": free_port(), "tls": tls}
    daemon = Daemon(tmp_path, settings={"server": server})
    put_certificate(tmp_path, ENDS[0])
    try:
        await daemon.start()
        async with open_shell(PAGE, daemon, ID, tmp_path / "bin") as shell:
            assert await shell.run(show) == "notAfter=Jan 30 04:05:06 2031 GMT\n"
            put_certificate(tmp_path, ENDS[1])

            async def renewed():
                return await shell.run(show) == "notAfter=Dec  1 00:00:00 2032 GMT\n"

            await until(renewed)
    finally:
        daemon.end()


def put_certificate(folder, end):
    """A certificate that is good until ``end`` is in its place, with its key."""
    issued = trustme.CA().issue_cert("localhost", not_after=end)
    for name, blob in (("cert.pem", issued.cert_chain_pems[0]), ("key.pem", issued.private_key_pem)):
        blob.write_to_path(folder / f".{name}")
        (folder / f".{name}").chmod(0o600)
        (folder / f".{name}").replace(folder / name)


# The journal's copies, and a journal that is lost


async def test_daemon_starts_from_its_backup_and_leaves_alone_what_is_younger(installed, page_shell):
    engine.require("sqlite3", "docker")
    adopt, _, back_up, restore = blocks(PAGE, "One engine, several nodes")
    await installed.create("ops-older", start_pattern="Ready")
    await installed.power("start", "ops-older")
    await page_shell.run(back_up)
    copy = installed.folder / "backup.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    await installed.power("restart", "ops-older")
    await installed.create(ID, start_pattern="Ready")
    await installed.power("start", ID)
    pid = inspect(ID)["State"]["Pid"]
    await page_shell.run(restore)
    await installed.engine_up()
    known = (await installed.get("/containers"))["containers"]
    assert [row["internal_id"] for row in known] == ["ops-older"]
    await settled(installed, "ops-older", state="running")
    assert installed.in_docker() == {"lightd-ops-older": "running", f"lightd-{ID}": "running"}
    assert inspect(ID)["State"]["Pid"] == pid
    await until(lambda: _in_log(installed, f"server of {ID} (running) is in the engine"))
    engine.call("POST", f"/containers/lightd-{ID}/kill", signal="KILL")
    await page_shell.run("systemctl restart lightd")
    await installed.engine_up()
    assert installed.in_docker()[f"lightd-{ID}"] == "exited"  # not removed, though it does not run
    said = await page_shell.run(adopt)
    assert said.splitlines()[-1] == f"lightd-{ID}: adopted"
    assert re.search(rf"^lightd-{ID} +exited +{installed.node} +this one$", said, re.MULTILINE)
    assert "lightd-ops-older" not in said
    assert (await installed.power("start", ID))["status"] == "succeeded"
    assert installed.in_docker() == {"lightd-ops-older": "running", f"lightd-{ID}": "running"}


async def test_container_of_a_lost_journal_is_removed_and_its_volume_adopted(installed, page_shell):
    _, remove, _, _ = blocks(PAGE, "One engine, several nodes")
    await installed.create(ID)
    volume = (await installed.show(ID))["volume_id"]
    installed.kill()
    for file in (installed.folder / "storage").glob("lightd.db*"):
        file.unlink()
    await installed.start()
    await installed.engine_up()
    said = await page_shell.run(f"volume={volume}\n{remove}")
    assert said.splitlines() == [f"lightd-{ID}: removed", f"{volume}: adopted"]
    assert [each["volume_id"] for each in (await installed.get("/volumes"))["volumes"]] == [volume]


# Bad days that take no engine of their own


async def test_lightd_is_restarted_and_containers_run_on(installed, page_shell):
    (restart,) = blocks(PAGE, "lightd is killed, or the machine loses its power")
    await installed.create(ID, start_pattern="Ready")
    await installed.power("start", ID)
    before, pid = inspect(ID)["State"]["Pid"], installed.process.pid
    said = (await page_shell.run(restart)).splitlines()
    assert installed.process.pid != pid
    assert len(said) == 2
    assert f"listening on {installed.url}" in said[-1]
    assert f"lightd[{installed.process.pid}]" in said[-1]
    await installed.engine_up()
    await settled(installed, ID, state="running")
    assert inspect(ID)["State"]["Pid"] == before


async def test_changes_behind_lightds_back_are_in_the_history(installed, page_shell):
    engine.require("docker")
    (look,) = blocks(PAGE, "A container was changed behind lightd's back")
    await installed.create(ID, start_pattern="Ready")
    await installed.power("start", ID)
    history, listed = await _looked_at(page_shell, look)
    assert "started" in [event["type"] for event in history]
    assert len(listed) == 1
    assert f"lightd-{ID}" in listed[0]
    await page_shell.run("docker kill lightd-server-001")
    await settled(installed, ID, state="offline")
    await page_shell.run("docker start lightd-server-001")
    await settled(installed, ID, state="running")
    await page_shell.run("docker rm -f lightd-server-001")
    await settled(installed, ID, state="offline")
    history, listed = await _looked_at(page_shell, look)
    ends = [event["data"] for event in history if event["type"] == "exited"]
    assert [end["expected"] for end in ends] == [False, False]
    assert ends[0]["code"] == 137
    assert ends[1]["code"] in (137, None)  # Docker kills it first, which may be seen
    assert "vanished" in [event["type"] for event in history]
    assert listed == []
    assert (await installed.power("start", ID))["status"] == "succeeded"
    assert len((await _looked_at(page_shell, look))[1]) == 1


async def _looked_at(shell, look):
    """The history that the block shows, and the rows of Docker's table."""
    said = await shell.run(look)
    told, end = json.JSONDecoder().raw_decode(said)
    head, *rows = said[end:].strip().splitlines()
    assert head.startswith("CONTAINER ID")
    return told["events"], rows
