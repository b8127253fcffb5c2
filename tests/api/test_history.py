"""What was on a console, as a client asks for it: from memory, from disk, after a restart."""

import time

import pytest
import trio

from actors.container.console.scrollback import Scrollback
from lightd.http.routes import history
from tests.api.front import HEADERS, PATIENCE, open_api
from tests.support.scoped import bearing

pytestmark = pytest.mark.one_python


async def print_lines(api, count):
    """Have ``count`` lines printed by a process that then waits."""
    await api.create(command=f"line-printer {count} 0; stdin-echo", start_pattern="Ready")
    assert (await api.power("start"))["status"] == "succeeded"


def without_times(lines):
    return [{"line": line["line"], "text": line["text"]} for line in lines]


def numbered(*numbers):
    return [{"line": number, "text": f"line {number}"} for number in numbers]


async def test_end_of_the_console_is_answered(api):
    await print_lines(api, 200)
    found = (await api.get("/containers/s1/logs"))["lines"]
    assert all(0 <= time.time() - line["at"] < 60 for line in found)
    assert without_times(found) == [*numbered(*range(102, 201)), {"line": 201, "text": "Ready"}]
    assert (await api.get("/containers/s1/logs", lines=2))["lines"] == found[-2:]
    assert len((await api.get("/containers/s1/logs", lines=10_000))["lines"]) == 201


async def test_container_that_never_printed_has_no_lines(api):
    await api.create()
    assert await api.get("/containers/s1/logs") == {"lines": []}
    async with api.console() as console:
        await console.send("request_logs")
        logs = await console.until("logs")
    assert (logs["data"], logs["line"]) == ("", 1)


@pytest.mark.parametrize("lines", ["0", "10001", "-1", "x", "", "1.5", "1e3"])
async def test_lines_must_be_a_number_that_is_possible(api, lines):
    await api.create()
    status, code, sentence = await api.refused("GET", "/containers/s1/logs", lines=lines)
    assert (status, code) == (400, "invalid_request")
    number, got = ("", lines) if lines.isdigit() else ("a whole number ", f'"{lines}"')
    assert sentence == f"lines: must be {number}between 1 and 10000 (got {got})"


async def test_log_requests_with_other_parameters_are_refused(api):
    await api.create()
    assert (await api.refused("GET", "/containers/s1/logs", line="1"))[0] == 400
    assert (await api.refused("GET", "/containers/nobody/logs"))[:2] == (404, "container_not_found")
    assert (await api.refused("POST", "/containers/s1/logs"))[0] == 405


async def test_lines_and_their_numbers_survive_the_daemon(tmp_path):
    async with open_api(tmp_path) as api:
        await print_lines(api, 1000)
    async with open_api(tmp_path) as api:
        assert len((await api.get("/containers/s1/logs", lines=10_000))["lines"]) == 1001
        assert (await api.get("/containers/s1/logs", lines=2))["lines"][0]["line"] == 1000
        async with api.console(query="&since_line=10") as console:
            last = await console.until("console", "Ready")
            assert last["line"] + last["data"].count("\n") == 1002
            assert console.text.splitlines()[:-1] == [f"line {n}" for n in range(11, 1001)]
            assert not any(frame["event"] == "gap" for frame in console.frames)
            await console.send("request_logs", lines=2)
            logs = await console.until("logs")
            assert (logs["data"], logs["line"]) == ("line 1000\nReady\n", 1000)
            await api.power("start")
            first = await console.until("console")
            assert first["line"] == 1002


async def test_viewer_that_comes_back_is_told_where_nobody_has_the_lines(api):
    await print_lines(api, 50)
    console = api.system.fleet.get("s1").console
    log = api.system.fleet._log_writer.log
    await api.system.fleet._log_writer.copy()
    file = log.root / "s1" / "console.log"
    kept = [
        line for line in file.read_bytes().splitlines(keepends=True) if not line.startswith((b"3 ", b"2"))
    ]
    file.write_bytes(b"".join(kept))
    shorter = Scrollback(20, 10_000, console.lines.wake)
    shorter.resume(console.lines.tail(20))
    console.lines = shorter
    async with api.console(query="&since_line=1") as viewer:
        await viewer.until("console", "Ready")
    gaps = [(frame["missed"], frame["next_line"]) for frame in viewer.frames if frame["event"] == "gap"]
    assert gaps == [(2, 4), (10, 30)]
    numbers = [int(line.removeprefix("line ")) for line in viewer.text.splitlines()[:-1]]
    assert numbers == [*range(4, 20), *range(30, 51)]
    async with api.console() as viewer:
        await viewer.send("request_logs", lines=40)
        logs = await viewer.until("logs")
    assert logs["line"] == 30
    file.write_bytes(b"")
    async with api.console(query="&since_line=1") as viewer:
        await viewer.until("console", "Ready")
    gaps = [(frame["missed"], frame["next_line"]) for frame in viewer.frames if frame["event"] == "gap"]
    assert gaps == [(30, 32)]


async def test_deleted_container_leaves_nothing_to_read(api):
    await print_lines(api, 3)
    await api.system.fleet._log_writer.copy()
    root = api.system.fleet._log_writer.log.root
    assert [path.name for path in root.iterdir()] == ["s1"]
    await api.call("DELETE", "/containers/s1")
    assert (await api.refused("GET", "/containers/s1/logs"))[0] == 404
    await api.system.fleet._log_writer.copy()
    assert list(root.iterdir()) == []
    await print_lines(api, 2)
    assert (await api.get("/containers/s1/logs"))["lines"][0]["text"] == "line 1"


async def test_token_reads_the_lines_of_a_few_requests_at_a_time_and_the_others_wait(api, monkeypatch):
    """Each has megabytes of lines: a hundred searches took hundreds of megabytes until they ended."""
    await print_lines(api, 2)
    reading, most, gate, end = 0, 0, trio.Event(), history._end

    async def slow(console, limit):
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await gate.wait()
        reading -= 1
        return await end(console, limit)

    monkeypatch.setattr(history, "_end", slow)
    tokens = [(await api.post("/auth/tokens", {"ttl": "1h"}))["token"] for _ in range(2)]
    statuses = []

    async def ask(headers):
        statuses.append((await api.ask("GET", "/containers/s1/logs", headers=headers)).status_code)

    async with trio.open_nursery() as nursery:
        for token in tokens:
            for _ in range(3 * history.AT_ONCE):
                nursery.start_soon(ask, bearing(token))
        for _ in range(3 * history.AT_ONCE):
            nursery.start_soon(ask, HEADERS)
        with trio.fail_after(PATIENCE):
            while reading < 5 * history.AT_ONCE:
                await trio.sleep(0.01)
        await trio.sleep(0.2)
        assert most == 5 * history.AT_ONCE
        gate.set()
    assert statuses == [200] * 9 * history.AT_ONCE
    assert most == 5 * history.AT_ONCE
