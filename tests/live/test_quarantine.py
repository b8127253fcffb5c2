"""One container's history is broken in a real journal: it alone is out of service until that is mended."""

import trio

from tests.rig import engine
from tests.support.daemon import free_port, inspect
from tests.support.journal_file import rename_last


async def test_container_whose_history_is_broken_is_alone_in_quarantine_and_comes_back(daemon):
    address = {"ip": "127.0.0.1", "port": free_port()}
    await daemon.post("/network/ports", address)
    await daemon.create("q1", start_pattern="Ready", ports=[address])
    await daemon.create("q2", start_pattern="Ready")
    for internal_id in ("q1", "q2"):
        await daemon.power("start", internal_id)
    pids = [inspect(internal_id)["State"]["Pid"] for internal_id in ("q1", "q2")]
    daemon.kill()
    kind = rename_last(daemon, "q1", "container.stop-timed-out")  # nobody had asked for a stop
    await daemon.start()
    await daemon.engine_up()

    assert (await daemon.show("q1"))["quarantined"] is True
    refused = await daemon.post("/containers/q1/kill", status=503)
    assert refused["code"] == "quarantined"
    assert (await daemon.get(f"/network/ports/127.0.0.1/{address['port']}"))["used_by"] == "q1"
    async with daemon.console("q2") as console:
        await console.send("send_command", command="still here")
        await console.until("console", "got: still here")
        assert (await daemon.power("restart", "q2"))["status"] == "succeeded"
    assert inspect("q1")["State"]["Pid"] == pids[0]

    rename_last(daemon, "q1", kind)
    engine.call("POST", "/containers/lightd-q1/kill", signal="KILL")
    await daemon.post("/containers/q1/revive")
    with trio.fail_after(60):
        while (shown := await daemon.show("q1"))["state"] != "offline" or shown["quarantined"]:
            await trio.sleep(0.05)
    assert shown["exit"]["code"] == 137
    assert (await daemon.power("start", "q1"))["status"] == "succeeded"
