"""Containers that print as fast as they can, on the real engine: the others notice nothing."""

import time

import trio

from tests.support.daemon import PATIENCE

REDRAW = "awk 'BEGIN { for (;;) printf \"\\r\\033[K%d%%\", n++ }'"
OFFENDERS = {"noisy-yes": "yes", "noisy-empty": "yes ''", "noisy-terminal": REDRAW}


async def test_kill_and_a_ping_come_through_while_consoles_never_rest(daemon):
    for internal_id, command in OFFENDERS.items():
        settings = {"start_pattern": "^never printed$", "limits": {"cpu": 0.25}}
        await daemon.create(internal_id, command, tty=command is REDRAW, **settings)
    for internal_id in OFFENDERS:
        await daemon.post(f"/containers/{internal_id}/start")
    async with daemon.console("noisy-yes") as console, trio.open_nursery() as nursery:
        await console.until("console", "y\ny\n")
        nursery.start_soon(console.until, "event", "exit")
        for _ in range(20):
            begun = time.monotonic()
            await daemon.get("/api/v1/public/ping")
            await daemon.post("/volumes", status=201)
            assert time.monotonic() - begun < 10
        for internal_id in OFFENDERS:
            with trio.fail_after(PATIENCE):
                answer = await daemon.power("kill", internal_id)
            assert answer["status"] == "succeeded"
    line = None
    for frame in console.frames:
        if frame["event"] == "gap":
            assert line is None or frame["next_line"] == line + frame["missed"]
            line = frame["next_line"]
        elif frame["event"] == "console":
            assert line is None or frame["line"] == line
            line = frame["line"] + frame["data"].count("\n")
