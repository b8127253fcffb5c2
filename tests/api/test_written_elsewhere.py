"""Fields and commands that were written on Windows do what they say."""

import pytest

from lightd.cli import main
from lightd.cli.commands import address

MARK = "\ufeff"


async def test_server_whose_fields_have_carriage_returns_runs_and_stops_as_asked(api):
    await api.create(
        command=f"{MARK}stdin-echo \r\n",
        start_pattern=f"{MARK}^Ready\r\n",
        install_script="#!/bin/sh\r\necho installed\r\n",
        stop={"type": "command", "value": "stop\r\n"},
    )
    assert (await api.power("start"))["status"] == "succeeded"
    shown = await api.show()
    assert (shown["state"], shown["startup_command"], shown["start_pattern"]) == (
        "running",
        "stdin-echo",
        "^Ready",
    )
    assert shown["install_script"] == "#!/bin/sh\necho installed\n"
    assert shown["stop"]["value"] == "stop"
    assert (await api.power("stop"))["status"] == "succeeded"
    changed = await api.call("PATCH", "/containers/s1", {"startup_command": "stdin-echo\r\n"})
    assert changed["at_next_start"] == ["startup_command"]
    assert "edited" not in await api.types(), "it is the same command"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
async def test_command_is_one_line_whatever_ends_it(api, end):
    await api.running()
    async with api.console() as console:
        await console.until("event", "running")
        await console.send("send_command", command=f"{MARK}say hi{end}")
        await console.until("console", "say hi")
    assert MARK not in console.text
    assert "\r" not in console.text.replace("\r\n", "\n")


def test_token_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbflightd_0123456789abcdef\r\n")
    path.chmod(0o600)
    assert address.read_token(path) == "lightd_0123456789abcdef"
    args = main._to_parser().parse_args(["ps", "--url", "http://localhost:1", "--token-file", str(path)])
    assert address.find(args, {}).token == "lightd_0123456789abcdef"
