"""The commands for people on a real engine: a console on a terminal, through the daemon's death."""

import json
import os
import sys

from tests.support.terminal import on_terminal

ID = "people-console"


async def test_console_on_a_terminal_outlives_its_daemon_and_takes_no_orders(daemon):
    port = int(daemon.url.rpartition(":")[2])
    file = json.loads(daemon.config.read_text())
    file["server"] = {"host": "127.0.0.1", "port": port}
    daemon.config.write_text(json.dumps(file))
    await daemon.create(ID, start_pattern="Ready")
    await daemon.power("start", ID)
    environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    environ |= {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = (sys.executable, "-m", "lightd", "console", ID, "--config", str(daemon.config))
    async with on_terminal(environ, *command) as terminal:
        await terminal.until("Ready")
        terminal.type("before\n")
        await terminal.until("got: before")
        terminal.type("\x1b]0;owned\x07red\n")
        await terminal.until("got: ")
        daemon.kill()
        await terminal.until("; reconnecting")
        await daemon.start()
        await daemon.engine_up()
        await terminal.until("reconnected")
        terminal.type("after\n")
        await terminal.until("got: after")
        terminal.type("\x1d")
        assert await terminal.code() == 0
        await terminal.until("detached")
    assert "\x1b]" not in terminal.text
    assert terminal.text.count("got: before") == 1
    assert (await daemon.show(ID))["state"] == "running"
