"""The audit of a daemon that is killed in the middle of a call."""

import httpx
import trio

from tests.support.daemon import HEADERS, NO_AUTHORITIES, PATIENCE

ID = "audited"


async def entries(daemon):
    return (await daemon.get("/audit", limit=1000))["entries"]


async def test_call_under_way_when_the_daemon_was_killed_is_in_the_next_daemons_audit(daemon):
    await daemon.create(ID, command="ignore-sigterm", start_pattern="Ready", stop={"timeout": 600})
    await daemon.power("start", ID)
    async with trio.open_nursery() as nursery:

        async def stop():
            async with httpx.AsyncClient(
                headers={**HEADERS, "X-Request-Id": "the-stop"},
                trust_env=False,
                verify=NO_AUTHORITIES,
                timeout=60,
            ) as client:
                try:
                    await client.post(
                        daemon.url + f"/containers/{ID}/stop", params={"wait": 60}, timeout=PATIENCE
                    )
                except httpx.TransportError:
                    return
                raise AssertionError("nobody may have answered")

        nursery.start_soon(stop)
        with trio.fail_after(PATIENCE):
            while (await daemon.show(ID))["state"] != "stopping":
                await trio.sleep(0.02)
        daemon.kill()
    await daemon.start()
    await daemon.engine_up()
    found = await entries(daemon)
    told = [
        (entry["route"], entry["status"], entry["code"])
        for entry in found
        if entry["request_id"] == "the-stop"
    ]
    assert told == [(f"/containers/{ID}/stop", None, "interrupted")]
    await daemon.power("kill", ID)


async def test_audit_entry_has_the_address_and_the_request(daemon):
    volume = await daemon.volume()
    await daemon.call("DELETE", f"/volumes/{volume}")
    made, deleted = [entry for entry in await entries(daemon) if entry["subject"] == volume]
    assert (made["method"], made["route"], made["status"]) == ("POST", "/volumes", 201)
    assert (deleted["method"], deleted["route"], deleted["status"]) == ("DELETE", f"/volumes/{volume}", 200)
    assert {made["address"], deleted["address"]} == {"127.0.0.1"}
    assert made["request_id"] != deleted["request_id"]
    events = (await daemon.get("/audit", since=made["seq"] - 1, limit=1))["entries"]
    assert events == [made]
