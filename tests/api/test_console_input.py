"""Commands over HTTP: what reaches the process, what is refused, and what the audit says."""

import pytest
import trio

from actors.kernel.journal import JournalUnavailable
from lightd.access.rates import SENDING
from lightd.api.console_input import MOST_COMMANDS

ROUTE = "/containers/s1/command"


async def test_command_is_answered_when_it_was_written(api):
    await api.running()
    async with api.console() as console:
        answer = await api.post(ROUTE, {"command": "say hi\n"})
        assert answer == {"message": "Command sent", "internal_id": "s1", "count": 1}
        await console.until("console", "got: say hi")


async def test_commands_arrive_in_their_order_and_an_empty_one_is_enter(api):
    await api.running()
    commands = ["one", "", "h\u00e4llo\r\n", "a  b"]
    async with api.console() as console:
        assert (await api.post(ROUTE, {"commands": commands}))["count"] == 4
        await console.until("console", "got: a  b")
    answers = [line for line in console.text.splitlines() if line.startswith("got")]
    assert answers == ["got: one", "got: ", "got: h\u00e4llo", "got: a  b"]


REFUSED = [
    ({"command": "x\ny"}, "command: must be one line"),
    ({"command": "x\ry"}, "command: must be one line"),
    ({"commands": ["x", "y\nz"]}, "commands[1]: must be one line"),
    ({"command": "x" * 4095}, "command: must not be longer than 4094 bytes"),
    ({"command": "a\u0000"}, "command: must not contain a NUL character"),
    ({"command": 5}, "command: must be a string (got 5)"),
    ({}, "command: is missing"),
    ({"commands": []}, "commands: must be between 1 and 20 commands (got 0)"),
    ({"command": None}, "command: must be a string (got null)"),
    ({"command": "x", "commands": None}, "commands: must be a list (got null)"),
    ({"command": "x", "commands": []}, "commands: cannot be combined with command"),
    ({"command": "x", "commands": ["y"]}, "commands: cannot be combined with command"),
    ({"commands": ["x"] * (MOST_COMMANDS + 1)}, "commands: must be between 1 and 20 commands (got 21)"),
]


@pytest.mark.parametrize(("body", "complaint"), REFUSED, ids=range(len(REFUSED)))
async def test_command_that_is_no_line_is_refused(api, body, complaint):
    await api.create()
    assert await api.refused("POST", ROUTE, body) == (400, "invalid_request", complaint)


async def test_pipe_takes_a_command_that_a_terminal_does_not(api):
    await api.running(tty=False)
    async with api.console() as console:
        await api.post(ROUTE, {"command": "x" * 5000})
        await console.until("console", f"got: {'x' * 5000}")


async def test_command_for_a_container_that_does_not_run_is_a_conflict(api):
    await api.create()
    refusal = (409, "input_refused", "the container is not running")
    assert await api.refused("POST", ROUTE, {"command": "x"}) == refusal
    assert (await api.refused("POST", "/containers/none/command", {"command": "x"}))[
        1
    ] == "container_not_found"


async def test_command_waits_until_the_console_is_attached(api):
    await api.running()
    attach = api.faults.gates["attach"] = trio.Event()
    for container in api.engine._containers.values():
        container.cut()
    console = api.system.fleet.get("s1").console
    with trio.fail_after(20):
        while console._input is not None:
            await trio.sleep(0.001)
    answers = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send():
            answers.append(await api.post(ROUTE, {"command": "patient"}))

        await trio.sleep(0.1)
        assert not answers
        attach.set()
    assert answers[0]["count"] == 1


async def test_commands_are_limited_like_the_messages_of_a_socket(api):
    await api.running()
    assert SENDING.burst == MOST_COMMANDS
    await api.post(ROUTE, {"commands": ["x"] * MOST_COMMANDS})
    answer = await api.ask("POST", ROUTE, {"commands": ["x"] * MOST_COMMANDS})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_often")
    assert answer.headers["Retry-After"] == "1"


async def test_command_needs_its_permission_and_its_container(api):
    await api.running()

    async def status(**grant):
        minted = await api.post("/auth/tokens", {"ttl": "1h", **grant})
        headers = {"Authorization": f"Bearer {minted['token']}", "Accept": "Application/vnd.pkglatv1+json"}
        return (await api.ask("POST", ROUTE, {"command": "x"}, headers=headers)).status_code

    assert await status(containers=["s1"], permissions=["console.write"]) == 200
    assert await status(containers=["s1"], permissions=["console.read", "power"]) == 403
    assert await status(containers=["s2"], permissions=["console.write"]) == 404


async def test_command_is_in_the_audit_without_its_text(api):
    await api.running()
    await api.post(ROUTE, {"command": "op somebody"})
    text = (await api.ask("GET", "/audit?limit=1000")).text
    assert "op somebody" not in text
    entry = (await api.get("/audit", limit=1000))["entries"][-1]
    assert (entry["method"], entry["route"], entry["subject"], entry["status"]) == ("POST", ROUTE, "s1", 200)


async def test_command_is_sent_while_the_audit_can_not_be_written(api, monkeypatch):
    class Full:
        async def write(self, begun, ended):
            raise JournalUnavailable("the disk is full")

    await api.running()
    table = api.system.audit._table
    monkeypatch.setattr(api.system.audit, "_table", Full())
    assert (await api.post(ROUTE, {"command": "save-all"}))["count"] == 1
    monkeypatch.setattr(api.system.audit, "_table", table)
