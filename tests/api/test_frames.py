"""What a viewer sends: commands, power, the end of the console, the terminal's size; and what is refused."""

import json
import time

import trio

from actors.container.console.console import INPUTS
from actors.kernel import mailbox


async def test_commands_reach_the_process_in_their_order(api):
    await api.running()
    async with api.console() as console:
        for command in ("n0", "n1\n", "n2\r\n", "h\u00e4llo", "", "a  b"):
            await console.send("send_command", command=command)
        await console.until("console", "got: a  b")
    answers = [line for line in console.text.splitlines() if line.startswith("got")]
    assert answers == ["got: n0", "got: n1", "got: n2", "got: h\u00e4llo", "got: ", "got: a  b"]


async def test_power_works_over_the_socket(api):
    await api.create(start_pattern="Ready")
    async with api.console() as console:
        await console.send("power", action="start")
        await console.until("event", "running")
        await console.send("power", action="restart")
        await console.until("daemon_message", "restarted")
        await console.until("event", "running")
        await console.send("power", action="stop")
        await console.until("event", "exit")
        await console.send("power", action="kill")
        await console.send("power", action="start")
        await console.until("event", "running")
        await console.send("power", action="kill")
        ended = await console.until("event", "exit")
    assert (ended["code"], ended["crashed"]) == (137, False)


async def test_power_action_that_the_state_forbids_is_refused(api):
    api.faults.gates["ensure_image"] = trio.Event()
    await api.post("/containers", await api.a_body())
    async with api.console() as console:
        await console.send("power", action="start")
        assert (await console.until("error"))["data"] == "container s1 is being installed"


async def test_end_of_the_console_is_answered_as_one_frame(api):
    await api.running(command="line-printer 30 0; stdin-echo")
    async with api.console() as console:
        await console.send("request_logs", lines=3)
        frame = await console.until("logs")
        assert 0 <= time.time() - frame.pop("at") < 60
        assert frame == {"event": "logs", "data": "line 29\nline 30\nReady\n", "line": 29}
        await console.send("request_logs")
        frame = await console.until("logs")
        assert (frame["line"], frame["data"].count("\n")) == (1, 31)


async def test_end_of_a_console_that_printed_nothing_is_empty(api):
    await api.create()
    async with api.console() as console:
        await console.send("request_logs", lines=10)
        assert await console.until("logs") == {"event": "logs", "data": "", "line": 1}


async def test_resize_reaches_the_terminal_and_is_kept_for_the_next_run(api):
    await api.running()

    async def sized(columns, rows):
        with trio.fail_after(20):
            while api.engine.terminal_size("s1") != (columns, rows):
                await trio.sleep(0.001)

    await sized(120, 30)
    async with api.console() as console:
        await console.send("resize", columns=100, rows=40)
        await sized(100, 40)
        await api.power("restart")
        await sized(100, 40)


REFUSED = [
    ("{", "the body is not valid JSON: "),
    ("[]", "a frame must be a JSON object"),
    ("5", "a frame must be a JSON object"),
    ("{}", "event: must be one of send_command, power, request_logs, resize"),
    ('{"event":"nope"}', "event: must be one of send_command, power, request_logs, resize"),
    ('{"event":["x"]}', "event: must be one of send_command, power, request_logs, resize"),
    ('{"event":"power"}', "action: is missing"),
    (
        '{"event":"power","action":"explode"}',
        'action: must be "start", "stop", "kill" or "restart" (got "explode")',
    ),
    ('{"event":"resize","columns":0,"rows":5}', "columns: must be between 1 and 1000 (got 0)"),
    ('{"event":"resize","columns":80}', "rows: is missing"),
    ('{"event":"request_logs","lines":"5"}', 'lines: must be a whole number between 1 and 10000 (got "5")'),
    ('{"event":"request_logs","lines":10001}', "lines: must be between 1 and 10000 (got 10001)"),
    ('{"event":"send_command"}', "command: is missing"),
    ('{"event":"send_command","command":5}', "command: must be a string (got 5)"),
    ('{"event":"send_command","command":"a\\u0000"}', "command: must not contain a NUL character"),
    ('{"event":"send_command","command":"x","y":1}', "y: unknown field (known here: command)"),
]
LINES = [
    ('{"event":"send_command","command":"x\\ny"}', "command: must be one line"),
    ('{"event":"send_command","command":"x\\ry"}', "command: must be one line"),
    ('{"event":"send_command","command":"\\ud800"}', "the body holds half a surrogate pair"),
    (f'{{"event":"send_command","command":"{"x" * 4095}"}}', "command: must not be longer than 4094 bytes"),
    ('{"event":"send_command","command":"x"}', "the container is not running"),
]


async def test_bad_frame_is_refused_and_the_socket_stays(api):
    await api.create()
    for part in (REFUSED, LINES):  # no more than the socket takes in a second
        async with api.console() as console:
            await console.next()
            for frame, complaint in part:
                await console._connection.send_message(frame)
                assert (await console.until("error"))["data"].startswith(complaint), frame
            await console.send("request_logs", lines=1)
            await console.until("logs")


async def test_frame_of_bytes_is_refused(api):
    await api.create()
    async with api.console() as console:
        await console._connection.send_message(b'{"event":"request_logs"}')
        assert (await console.until("error"))["data"] == "frames must be text"


async def test_pipe_takes_a_line_that_a_terminal_does_not(api):
    await api.running(tty=False)
    async with api.console() as console:
        await console.send("send_command", command="x" * 5000)
        await console.until("console", f"got: {'x' * 5000}")


async def test_process_that_does_not_read_refuses_more_input_after_a_while(api):
    await api.running(command="echo Ready; sleep 1000", tty=False)
    console_of_it = api.system.fleet.get("s1").console
    async with api.console() as console:
        for _ in range(INPUTS):
            console_of_it.send_nowait(b"x" * 60_000)
        for _ in range(8):  # more than can still leave the queue, for a stdin that holds 64 KiB
            await console.send("send_command", command="one more")
        assert (await console.until("error"))["data"] == "the container does not read its input"


async def test_many_lines_that_are_asked_for_at_once_count_as_many_messages(api):
    await api.create()
    async with api.console() as console:
        for _ in range(3):
            await console.send("request_logs", lines=10_000)
        answers = [await console.next() for _ in range(4)]
        assert [answer["event"] for answer in answers] == ["event", "logs", "logs", "error"]
        assert answers[-1]["data"] == "more than 20 messages a second"


async def test_more_than_twenty_messages_a_second_are_refused_and_the_socket_stays(api):
    await api.create()
    async with api.console() as console:
        for _ in range(100):
            await console.send("request_logs", lines=1)
        answers = [(await console.next())["event"] for _ in range(101)]
        assert answers[:21] == ["event"] + ["logs"] * 20
        assert "error" in answers
        assert "more than 20 messages a second" in {frame.get("data") for frame in console.frames}
        while answers[-1] == "error":  # a message refused is not counted
            await trio.sleep(0.01)
            await console.send("request_logs", lines=1)
            answers.append((await console.next())["event"])


async def test_actor_that_cannot_keep_up_says_so(api, monkeypatch):
    await api.create()
    monkeypatch.setattr(mailbox, "CAPACITY", 0)
    answer = await api.ask("POST", "/containers/s1/start")
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"]
    async with api.console() as console:
        await console.send("power", action="start")
        assert "too many requests" in (await console.until("error"))["data"]


async def test_frame_over_the_limit_ends_the_socket(api):
    await api.create()
    async with api.console() as console:
        await console.next()
        await console._connection.send_message(json.dumps({"event": "x" * 65_536}))
        assert await console.closed() == 1009
