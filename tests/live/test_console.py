"""The WebSocket on a real container: what a page sees, and what it may ask for."""

import json
import time

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from tests.contracts.api_checks import CHECKED
from tests.support.daemon import HEADERS, TOKEN


async def shake_hands(url):
    """The answer to a handshake that is going to be refused."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    async with httpx.AsyncClient(trust_env=False, event_hooks=CHECKED, timeout=60) as client:
        return await client.get(url, headers=headers)


async def test_viewer_sees_the_state_and_the_stats_at_once(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as first:
        await first.until("stats")
    async with daemon.console() as second:
        assert (await second.next())["data"] == "running"
        stats = await second.until("stats")
    assert stats.keys() == {
        "event",
        "cpu_usage",
        "memory_usage",
        "memory_limit",
        "network_rx",
        "network_tx",
        "block_read",
        "block_write",
        "uptime",
    }
    assert stats["memory_usage"] > 0


async def test_lines_are_numbered_and_a_viewer_that_comes_back_misses_none(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("send_command", command="first")
        seen = await console.until("console", "got: first")
    async with daemon.console() as console:
        await console.send("send_command", command="second\n")
        await console.until("console", "got: second")
    last = seen["line"] + seen["data"].count("\n") - 1
    async with daemon.console(query=f"&since_line={last}") as console:
        again = await console.until("console", "got: second")
        assert again["line"] == last + 1
        assert "first" not in console.text


async def test_viewer_that_comes_back_is_told_the_events_since(daemon):
    await daemon.create(start_pattern="Ready")
    async with daemon.console() as console:
        seq = (await console.next())["seq"]
    await daemon.power("start")
    await daemon.power("stop")
    async with daemon.console(query=f"&since={seq}") as console:
        await console.until("event", "exit")
        assert console.states == ["starting", "running", "stopping", "exit"]


async def test_end_of_the_console_is_answered_as_one_frame(daemon):
    await daemon.create(command="line-printer 30 0; stdin-echo", start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("request_logs", lines=3)
        logs = await console.until("logs")
    assert logs["data"] == "line 29\nline 30\nReady\n"
    assert logs["line"] == 29


async def test_resize_reaches_the_terminal(daemon):
    await daemon.create(command="echo Ready; while read -r line; do stty size; done", start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("send_command", command="size")
        await console.until("console", "30 120")
        await console.send("resize", columns=100, rows=40)
        await trio.sleep(0.5)
        await console.send("send_command", command="size")
        await console.until("console", "40 100")


async def test_commands_reach_the_process_in_their_order(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        for number in range(10):
            await console.send("send_command", command=f"n{number}")
        await console.until("console", "got: n9")
    answers = [line for line in console.text.splitlines() if line.startswith("got")]
    assert answers == [f"got: n{number}" for number in range(10)]


@pytest.mark.parametrize("tty", [True, False])
async def test_unfinished_line_is_shown_until_it_is_finished(daemon, tty):
    command = r'echo Ready; printf "Choose World: "; read -r world; echo "got: $world"; read -r line'
    await daemon.create(command=command, start_pattern="Ready", tty=tty)
    async with daemon.console() as console:
        await daemon.power("start")
        frame = await console.until("console", "Choose World: ")
    assert (frame["data"], frame["line"], frame["partial"]) == ("Choose World: ", 2, True)
    assert abs(frame["at"] - time.time()) < 60
    lines = (await daemon.get("/containers/s1/logs"))["lines"]
    assert [(line["line"], line["text"], line.get("partial", False)) for line in lines] == [
        (1, "Ready", False),
        (2, "Choose World: ", True),
    ]
    async with daemon.console(query="&since_line=1") as console:
        again = await console.until("console")
        assert (again["data"], again["line"], again["partial"]) == ("Choose World: ", 2, True)
        await console.send("request_logs", lines=5)
        logs = await console.until("logs")
        assert (logs["data"], logs["partial"]) == ("Ready\nChoose World: ", True)
        await console.send("send_command", command="5")
        await console.until("console", "got: 5\n")
    lines = (await daemon.get("/containers/s1/logs"))["lines"]
    whole = "Choose World: 5" if tty else "Choose World: got: 5"  # the echo, with its end
    assert (lines[1]["line"], lines[1]["text"]) == (2, whole)


async def test_progress_bar_is_shown_in_place_and_not_too_often(daemon):
    command = (
        "echo Ready; read -r line; n=0; while [ $n -lt 400 ]; do "
        r'n=$((n+1)); printf "\r$n"; usleep 8000; done; echo'
    )
    await daemon.create(command=command, start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("send_command", command="go")
        began = time.monotonic()
        await console.until("console", "400\n")
        seconds = time.monotonic() - began
    partial = [frame for frame in console.frames if frame.get("partial")]
    assert 5 <= len(partial) <= 10 * seconds + 1
    assert len({frame["line"] for frame in partial}) == 1
    assert [frame["data"] for frame in console.frames if frame["event"] == "console"][-1] == "400\n"


async def test_unfinished_line_and_times_are_known_to_the_next_daemon(daemon):
    command = (
        'echo Ready; printf "Choose World: "; read -r world; '
        'sleep 2; echo "late $(date +%s)"; printf "Again? "; read -r line'
    )
    await daemon.create(command=command, start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.until("console", "Choose World: ")
    first = (await daemon.get("/containers/s1/logs"))["lines"]
    assert daemon.stop() == 0
    await daemon.start()
    async with daemon.console(query="&since_line=1") as console:
        frame = await console.until("console")
        assert (frame["data"], frame["line"], frame["partial"]) == ("Choose World: ", 2, True)
        await console.send("send_command", command="5")
        await console.until("console", "Choose World: 5\n")
    assert daemon.stop() == 0
    await trio.sleep(6)  # it prints meanwhile
    await daemon.start()
    async with daemon.console(query="&since_line=2") as console:
        await console.until("console", "late ")
    lines = (await daemon.get("/containers/s1/logs"))["lines"]
    assert [line["text"] for line in lines[:2]] == ["Ready", "Choose World: 5"]
    assert lines[0] == first[0]
    printed = int(lines[2]["text"].removeprefix("late "))
    assert -0.1 <= lines[2]["at"] - printed < 2 <= time.time() - printed


async def test_lines_are_found_by_expression_and_time(daemon):
    await daemon.create(command="line-printer 20000 0; echo Ready; read -r line", start_pattern="Ready")
    await daemon.power("start")
    for _ in range(2):
        found = await daemon.get("/containers/s1/logs", grep="^line 1?5000$", since="1h")
        assert [line["text"] for line in found["lines"]] == ["line 5000", "line 15000"]
        assert (await daemon.get("/containers/s1/logs", until="1h"))["lines"] == []
        assert daemon.stop() == 0
        await daemon.start()
    answer = await daemon.call("GET", "/containers/s1/logs", status=400, grep="(")
    assert "grep" in str(answer)


async def test_line_that_was_drawn_over_is_what_a_person_reads(daemon):
    """A line editor draws a prompt before each line, which patterns, viewers, logs and tails are without."""
    shown = r'printf "> \r\033[K\033[32m[INFO]: Done\033[0m\n"; for n in 10 50 100; do printf "\r$n%%"; done'
    for internal_id, tty in (("terminal", True), ("pipe", False)):
        command = f"{shown}; echo; read -r line; exit 3"
        await daemon.create(internal_id, command=command, tty=tty, start_pattern=r"^\[INFO\]: Done")
        async with daemon.console(internal_id) as console:
            await daemon.power("start", internal_id)
            await console.until("event", "running")
            await console.send("send_command", command="x")
            await console.until("event", "exit")
        assert console.text.startswith("\x1b[32m[INFO]: Done\x1b[0m\n100%\n")
        logs = (await daemon.get(f"/containers/{internal_id}/logs"))["lines"]
        assert [line["text"] for line in logs][:2] == ["\x1b[32m[INFO]: Done\x1b[0m", "100%"]
        events = (await daemon.get(f"/containers/{internal_id}/events"))["events"]
        tail = next(event["data"]["tail"] for event in events if event["type"] == "exited")
        assert tail[:2] == ["[INFO]: Done", "100%"]


RAW = r"""
stty -icanon -icrnl -echo
echo Ready
line=
while :; do
    key=$(dd bs=1 count=1 2>/dev/null | od -An -tx1 | tr -d " ")
    if [ "$key" = 0d ]; then
        [ "$line" = 73746f70 ] && echo Bye && exit 0
        echo "ran $line"
        line=
    else
        line=$line$key
    fi
done
"""
"""A program with its own line editor: only the Enter key, 0d, runs what was typed."""


async def test_command_and_stop_are_run_by_a_program_that_reads_keys(daemon):
    stop = {"type": "command", "value": "stop", "timeout": 60}
    await daemon.create(command=RAW, start_pattern="Ready", stop=stop)
    await daemon.power("start")
    async with daemon.console() as console:
        await console.send("send_command", command="ab\n")
        await console.until("console", "ran 6162\n")
        await daemon.power("stop")
        ended = await console.until("event", "exit")
    assert (ended["code"], ended["crashed"]) == (0, False)
    assert "Bye" in console.text


async def test_power_works_over_the_socket(daemon):
    await daemon.create(start_pattern="Ready")
    async with daemon.console() as console:
        await console.send("power", action="start")
        await console.until("event", "running")
        await console.send("power", action="kill")
        ended = await console.until("event", "exit")
    assert (ended["code"], ended["crashed"]) == (137, False)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"event":"nope"}', "event: must be one of"),
        ('{"event":["x"]}', "event: must be one of"),
        ('{"event":"power","action":"explode"}', "action: must be"),
        ('{"event":"resize","columns":0,"rows":5}', "columns: must be"),
        ('{"event":"request_logs","lines":"5"}', "lines: must be"),
        ('{"event":"send_command"}', "command: is missing"),
        ('{"event":"send_command","command":"x","y":1}', "y: unknown field"),
        ('{"event":"send_command","command":"x\\ny"}', "must be one line"),
        ('{"event":"send_command","command":"x"}', "not running"),
    ],
)
async def test_bad_frame_is_refused_and_the_socket_stays(shared_daemon, frame, complaint):
    async with shared_daemon.console("shared") as console:
        await console.next()
        await console._connection.send_message(frame)
        assert complaint in (await console.until("error"))["data"]
        await console.send("request_logs", lines=1)
        await console.until("logs")


async def test_too_many_messages_are_refused_and_the_socket_stays(shared_daemon):
    async with shared_daemon.console("shared") as console:
        for _ in range(60):
            await console.send("request_logs", lines=1)
        assert "messages a second" in (await console.until("error"))["data"]
        await trio.sleep(1)
        await console.send("request_logs", lines=1)
        await console.until("logs")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ws/shared", 401),
        ("/ws/shared?token=lightd_wrong_wrong_wrong", 401),
        (f"/ws/nobody?token={TOKEN}", 404),
        (f"/ws/shared?token={TOKEN}&since=x", 400),
        (f"/ws/shared?token={TOKEN}&sinse=1", 400),
        (f"/ws/..%2fx?token={TOKEN}", 404),
        ("/ws", 401),
    ],
)
async def test_handshake_without_the_right_to_it_is_answered(shared_daemon, path, status):
    answer = await shake_hands(shared_daemon.url + path)
    assert answer.status_code == status
    assert answer.json().keys() == {"error", "code"}


async def test_token_is_taken_from_the_header_and_from_the_subprotocol_too(shared_daemon):
    url = shared_daemon.url.replace("http", "ws", 1) + "/ws/shared"
    async with open_websocket_url(url, extra_headers=[(b"Authorization", f"Bearer {TOKEN}".encode())]) as one:
        assert json.loads(await one.get_message())["event"] == "event"
    async with open_websocket_url(url, subprotocols=[f"lightd.{TOKEN}"]) as two:
        assert json.loads(await two.get_message())["event"] == "event"
        assert two.subprotocol == f"lightd.{TOKEN}"


async def test_node_stream_tells_of_every_container(daemon):
    async with open_websocket_url(daemon.url.replace("http", "ws", 1) + f"/ws?token={TOKEN}") as node:
        await daemon.create("one")
        await daemon.create("two")
        seen = set()
        with trio.fail_after(30):
            while not {("one", "ready"), ("two", "ready")} <= seen:
                frame = json.loads(await node.get_message())
                seen.add((frame["internal_id"], frame["data"]))


async def test_deleted_container_closes_its_sockets(daemon):
    await daemon.create()
    async with daemon.console() as console:
        await daemon.call("DELETE", "/containers/s1")
        assert await console.closed() == 4404
        assert console.states[-1] == "deleted"


async def test_daemon_that_stops_closes_its_sockets_and_leaves_the_containers_running(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    async with daemon.console() as console:
        await console.next()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, daemon.stop)
            assert await console.closed() == 1001
    assert daemon.process.returncode == 0
    assert daemon.in_docker() == {"lightd-s1": "running"}


async def test_more_than_thirty_sockets_a_container_are_refused(shared_daemon):
    async with trio.open_nursery() as nursery:

        async def hold(task_status):
            async with shared_daemon.console("shared") as console:
                await console.next()
                task_status.started()
                await trio.sleep_forever()

        for _ in range(30):
            await nursery.start(hold)
        answer = await shake_hands(f"{shared_daemon.url}/ws/shared?token={TOKEN}")
        nursery.cancel_scope.cancel()
    assert answer.status_code == 429


async def test_fast_console_is_not_slowed_by_a_client_that_stopped_reading_and_can_be_killed(daemon):
    await daemon.create(command="flood", start_pattern="Ready")
    url = daemon.url.removeprefix("http://")
    host, port = url.split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    request = (
        f"GET /ws/s1?token={TOKEN} HTTP/1.1\r\nHost: {url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await stream.send_all(request.encode())  # and never reads again
    await daemon.power("start")
    async with daemon.console() as console:
        first = await console.until("console")
        await trio.sleep(2)
        while (frame := await console.until("console"))["line"] < first["line"] + 20_000:
            pass
        assert frame["line"] > first["line"]
        await daemon.power("kill")
    assert (await daemon.show())["exit"]["code"] == 137
    await stream.aclose()


async def test_no_token_is_in_the_log(daemon):
    await daemon.create()
    async with daemon.console() as console:
        await console.next()
    async with httpx.AsyncClient(trust_env=False, event_hooks=CHECKED, timeout=60) as client:
        await client.get(f"{daemon.url}/containers?token={TOKEN}", headers=HEADERS)
    assert TOKEN not in daemon.log.read_text()
