"""The disk of a machine without Docker fills up: files stay whole, and lives are told truly."""

import os
import resource
import signal
from contextlib import contextmanager

import pytest
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.process import backlog, container, output_log
from lightd.engines.process.atomic_file import record
from lightd.engines.process.container import Container
from lightd.engines.process.output_log import OutputLog


@contextmanager
def room_for(count):
    """No file may get longer than ``count`` bytes: a write beyond is done in part, the next one refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_file_that_does_not_fit_leaves_the_one_before(tmp_path):
    path = tmp_path / "made"
    record(str(path), b"whole")
    with room_for(1000), pytest.raises(OSError, match="File too large"):
        record(str(path), b"x" * 3000)
    assert path.read_bytes() == b"whole"


async def test_life_that_was_lost_is_told_though_it_can_not_be_written_down(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        await engine.start(engine_id)
        with room_for(0):
            os.kill(host.supervisor_of(engine_id), signal.SIGKILL)
            with trio.fail_after(30):
                while (await engine.inspect(engine_id)).running:
                    await trio.sleep(0.02)
            assert [row.running for row in await engine.list()] == [False]
            assert not (host.state / engine_id / "exit").exists()
        lost = await engine.inspect(engine_id)
        assert (lost.exit_code, (await engine.inspect(engine_id)).finished_at) == (None, lost.finished_at)


async def test_host_that_can_not_be_looked_at_is_an_engine_that_does_not_answer(host, monkeypatch):
    def hide(_self):
        raise OSError(24, "Too many open files")

    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        await engine.start(engine_id)
        with monkeypatch.context() as patched:
            patched.setattr(Container, "running", hide)
            os.kill(host.supervisor_of(engine_id), signal.SIGKILL)  # has it looked for
            for ask in (engine.inspect, lambda _: engine.list(), lambda name: engine.backlog(name, 0.0)):
                with pytest.raises(EngineUnavailable, match="cannot be inspected: Too many open files"):
                    await ask(engine_id)
            await trio.sleep(0.1)
        with trio.fail_after(30):
            while (await engine.inspect(engine_id)).running:
                await trio.sleep(0.02)


def test_tape_that_can_not_take_its_turn_goes_on_where_it_is(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setattr(output_log, "BOUND", 100)
    writing = OutputLog(str(path))
    writing.write(b"x" * 101 + b"\n")

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        writing.write(b"one\n")
        stranger = os.dup(0)  # gets the number of a descriptor that was closed
        writing.write(b"two\n")
        os.close(stranger)
    writing.write(b"three\n")
    writing.write(b"four\n")
    found = [logged.line for logged in backlog.read(path, 0.0, ended=True).lines]
    assert found[-4:] == [b"one", b"two", b"three", b"four"]


def test_container_folder_after_a_kill_is_none_or_a_whole_one(tmp_path):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "made.part").write_text('{"format": 1, "engi')
    (tmp_path / "half" / "lock").touch()
    assert container.load(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
