"""What was written on Windows does on Docker what it says."""

from pathlib import Path

from tests.support.daemon import inspect

ID = "windows"
MARK = "\ufeff"


async def test_server_with_carriage_returns_is_installed_starts_and_stops_as_asked(daemon):
    volume = await daemon.volume()
    await daemon.create(
        ID,
        command=f"{MARK}cd mods && \r\nexec stdin-echo \r\n",
        volume_id=volume,
        install_script=f"{MARK}#!/bin/sh\r\nmkdir mods\r\ncat <<EOF >mods/motd\r\nhello \r\nEOF\r\n",
        start_pattern=f"{MARK}^Ready\r\n",
        stop={"type": "command", "value": "stop\r\n", "timeout": 60},
    )
    files = (await daemon.get(f"/volumes/{volume}/files"))["files"]
    assert [(entry["name"], entry["type"]) for entry in files] == [("mods", "directory")]
    path = Path((await daemon.get(f"/volumes/{volume}"))["path"]) / "mods/motd"
    assert path.read_bytes() == b"hello \n"
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert (await daemon.power("stop", ID))["status"] == "succeeded"
    shown = await daemon.show(ID)
    assert shown["exit"]["code"] == 0, "the command ended it, and no signal had to"
    assert shown["stop"]["value"] == "stop"


async def test_value_of_the_environment_stays_as_it_is(daemon):
    await daemon.create(ID, environment={"MOTD": "a\r\nb \r\n"})
    await daemon.power("start", ID)
    assert "MOTD=a\r\nb \r\n" in inspect(ID)["Config"]["Env"]
