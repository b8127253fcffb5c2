"""What every engine does with consoles: output, stdin, backlog, terminal. See ``engine_checks``."""

import itertools
import re

import trio

from actors.container.engine import EngineUnavailable
from tests.contracts.engine_checks import MIB, read_to_end, read_until, run_to_end, wait_ended


async def check_console_attached_before_the_start_has_every_byte(bench):
    for tty in (True, False):
        printed, _ = await run_to_end(bench, "line-printer 3000 0", tty=tty)
        assert printed.split(b"\n")[:-1] == [
            b"line %d%s" % (n, b"\r" if tty else b"") for n in range(1, 3001)
        ]


async def check_stdin_reaches_the_program_in_order(bench):
    for tty in (True, False):
        engine_id = await bench.engine.create_server(bench.spec("stdin-echo", tty=tty), 1)
        async with bench.engine.attach(engine_id) as console:
            await bench.engine.start(engine_id)
            await read_until(console, b"Ready")
            for n in range(50):
                await console.send(b"number %d\n" % n)
            await console.send(b"stop\n")
            printed = await read_to_end(console)
        # A terminal's echo of the next line may come before the end of the line that is being printed.
        answers = [int(number) for number in re.findall(rb"got: number (\d+)", printed)]
        assert answers == list(range(50)), printed


async def check_console_may_be_attached_again(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
    async with bench.engine.attach(engine_id) as console:
        await console.send(b"again\n")
        await read_until(console, b"got: again")
    assert (await bench.engine.inspect(engine_id)).running


async def check_sending_to_a_program_that_ended_does_not_hang(bench):
    engine_id = await bench.engine.create_server(bench.spec("crash-looper 1 0"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_to_end(console)
        assert await console.receive() == b""
        for _ in range(3):
            try:
                await console.send(b"anybody?\n")
            except EngineUnavailable:
                break


async def check_flood_is_read_and_killed_at_once(bench):
    engine_id = await bench.engine.create_server(bench.spec("flood 0"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        size = 0
        while size < 20 * MIB:
            data = await console.receive()
            assert data
            size += len(data)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.engine.signal, engine_id, "SIGKILL")
            await read_to_end(console)
    assert (await wait_ended(bench.engine, engine_id)).exit_code == 137


async def check_backlog_is_what_was_printed_in_whole_lines(bench):
    engine_id = await bench.engine.create_server(bench.spec("line-printer 200 0", tty=False), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        printed = await read_to_end(console)
    ended = await wait_ended(bench.engine, engine_id)
    backlog = await bench.engine.backlog(engine_id, ended.started_at)
    assert [logged.line for logged in backlog.lines] == printed.splitlines()
    assert not backlog.cut
    assert (await bench.engine.backlog(engine_id, ended.finished_at + 1)).lines == []


async def check_backlog_tells_when_a_line_was_printed(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo", tty=False), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        for number in range(4):  # none before the one before was read: else a slow machine prints two at once
            await trio.sleep(0.4)
            await console.send(b"%d\n" % number)
            await read_until(console, b"got: %d" % number)
        await console.send(b"stop\n")
        await read_to_end(console)
    ended = await wait_ended(bench.engine, engine_id)
    lines = (await bench.engine.backlog(engine_id, ended.started_at)).lines
    times = [logged.at for logged in lines if logged.line.startswith(b"got: ")]
    assert len(times) == 4
    assert all(later - earlier > 0.1 for earlier, later in itertools.pairwise(times)), times
    since = await bench.engine.backlog(engine_id, times[2] - 0.01)  # times are cut to less than Docker's own
    assert [logged.line for logged in since.lines] == [b"got: 2", b"got: 3", b"Stopping"]


async def check_backlog_has_an_unfinished_line_once_its_process_has_ended(bench):
    engine_id = await bench.engine.create_server(bench.spec("prompt"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"> ")
        started_at = (await bench.engine.inspect(engine_id)).started_at
        lines = (await bench.engine.backlog(engine_id, started_at)).lines
        assert not any(b"> " in logged.line for logged in lines)
        await bench.engine.signal(engine_id, "SIGKILL")
        await read_to_end(console)
    await wait_ended(bench.engine, engine_id)
    lines = (await bench.engine.backlog(engine_id, started_at)).lines
    assert lines[-1].line.endswith(b"> ")


async def check_backlog_is_bounded_and_the_newest(bench):
    engine_id = await bench.engine.create_server(bench.spec("flood 0 60000"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_to_end(console)
    backlog = await bench.engine.backlog(engine_id, 0.0)
    lines = [logged.line.removesuffix(b"\r") for logged in backlog.lines]
    assert backlog.cut
    assert sum(map(len, lines)) <= MIB
    assert lines[0].endswith(b"of a console that never rests")
    assert lines[-1].startswith(b"Flooded 60000 lines")


async def check_terminal_may_be_resized_while_it_is_there(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    await bench.engine.resize(engine_id, 100, 40)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        await bench.engine.resize(engine_id, 100, 40)
        await console.send(b"stop\n")
        await read_to_end(console)
    await wait_ended(bench.engine, engine_id)
    await bench.engine.resize(engine_id, 100, 40)
