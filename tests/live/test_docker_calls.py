"""The client for short calls to the Docker Engine, and a socket that answers as a test says."""

import json
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from actors.container.engine import EngineUnavailable
from lightd.engines.docker import calls
from lightd.engines.docker.translate import Refused

PATIENCE = 30.0
VERSION = b'{"ApiVersion": "1.41"}'


def an_answer(body=b"", status=200, kind="application/json", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@attrs.define(eq=False)
class Engine:
    """Answers ``/version`` and what ``answers`` has; any other path waits for ``released``."""

    answers: dict = attrs.field(factory=dict)
    connections: int = 0
    asked: list = attrs.field(factory=list)
    closed: trio.Event = attrs.field(factory=trio.Event)
    released: trio.Event = attrs.field(factory=trio.Event)
    waiting: trio.Event = attrs.field(factory=trio.Event)
    ends_after: str | None = None

    async def serve(self, stream):
        self.connections += 1
        async with stream:
            while head := await self._head(stream):
                method, target, _ = head.split(b" ", 2)
                self.asked.append(f"{method.decode()} {target.decode()}")
                path = target.decode().partition("?")[0].removeprefix("/v1.41/")
                if path == "/version":
                    await stream.send_all(an_answer(VERSION))
                    continue
                if path not in self.answers:
                    self.waiting.set()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._watch, stream)
                        await self.released.wait()
                        nursery.cancel_scope.cancel()
                await stream.send_all(self.answers.get(path, an_answer(b'"late"')))
                if path == self.ends_after:
                    return

    async def _watch(self, stream):
        if not await stream.receive_some():
            self.closed.set()

    async def _head(self, stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                piece = await stream.receive_some()
            except trio.BrokenResourceError:
                return b""
            if not piece:
                return b""
            head += piece
            if b"\r\n\r\n" in head and b'{"' in head:
                return head
        return head


@asynccontextmanager
async def opened(path, **answers):
    """An engine at a socket, and a client for it."""
    engine = Engine({name.replace("_", "/"): answer for name, answer in answers.items()})
    socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await socket.bind(str(path / "engine.sock"))
    socket.listen(100)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, engine.serve, [trio.SocketListener(socket)])
            async with calls.open_calls(str(path / "engine.sock")) as client:
                yield engine, client
            nursery.cancel_scope.cancel()


async def test_connection_is_used_for_one_call_after_the_other(tmp_path):
    async with opened(tmp_path, info=an_answer(b'{"a": 1}')) as (engine, client):
        assert [await client.get("info", all="1") for _ in range(5)] == [{"a": 1}] * 5
        assert engine.asked == ["GET /version", *["GET /v1.41/info?all=1"] * 5]
        assert engine.connections == 1


async def test_connection_that_the_engine_has_closed_is_not_used_again(tmp_path):
    async with opened(tmp_path, info=an_answer(b"1"), last=an_answer(b"2")) as (engine, client):
        engine.ends_after = "last"
        assert await client.get("last") == 2
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await client.get("info") == 1
        assert engine.connections == 2


async def test_connection_that_the_engine_announces_to_close_is_not_used_again(tmp_path):
    async with opened(tmp_path, info=an_answer(b"1", Connection="close")) as (engine, client):
        for _ in range(2):
            assert await client.get("info") == 1
        assert engine.connections == 2


async def test_calls_at_once_have_a_connection_each_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "TURN", 0.2)
    async with opened(tmp_path) as (engine, client), trio.open_nursery() as nursery:
        await client.version()
        for _ in range(calls.CONNECTIONS):
            nursery.start_soon(client.get, "slow")
        await trio.testing.wait_all_tasks_blocked(0.05)
        with pytest.raises(EngineUnavailable, match="took too long"):
            await client.get("slow")
        assert engine.connections == calls.CONNECTIONS
        engine.released.set()


async def test_cancelled_get_closes_its_connection(tmp_path):
    async with opened(tmp_path) as (engine, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "slow")
            await engine.waiting.wait()
            nursery.cancel_scope.cancel()
        await engine.closed.wait()


async def test_change_goes_on_to_its_end_when_its_caller_is_cancelled(tmp_path):
    answered, caller = [], trio.CancelScope()

    async def change():
        with caller:
            answered.append(await client.change("POST", "slow", {"a": 1}))

    async with opened(tmp_path) as (engine, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            await engine.waiting.wait()
            caller.cancel()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not engine.closed.is_set()
            engine.released.set()
        assert answered == ["late"]


async def test_change_of_a_caller_that_is_cancelled_already_does_not_begin(tmp_path):
    async with opened(tmp_path) as (engine, client):
        await client.version()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.change("POST", "slow")
        assert scope.cancelled_caught
        assert engine.asked == ["GET /version"]


@pytest.mark.parametrize("first", ["the call", "the end"])
async def test_change_is_given_up_when_the_daemon_ends(tmp_path, monkeypatch, first):
    monkeypatch.setattr(calls, "LEAVING", 0.05)
    async with opened(tmp_path) as (engine, client):
        if first == "the end":
            client.leave()
        async with trio.open_nursery() as nursery:

            async def change():
                with pytest.raises(EngineUnavailable, match="took too long"):
                    await client.change("POST", "slow")

            nursery.start_soon(change)
            await engine.waiting.wait()
            if first == "the call":
                client.leave()
        await engine.closed.wait()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (an_answer(b'{"a": 1}'), {"a": 1}),
        (an_answer(status=204, kind=None), ""),
        (an_answer(status=304, kind=None), ""),
        (an_answer(b'["' + b"a" * calls.IN_A_THREAD + b'"]'), ["a" * calls.IN_A_THREAD]),
    ],
)
async def test_answer_is_json_or_nothing(tmp_path, answer, value):
    async with opened(tmp_path, info=answer) as (_, client):
        assert await client.get("info") == value


async def test_refusal_has_the_status_and_the_engine_s_own_words(tmp_path):
    body = json.dumps({"message": "No such container: x"}).encode()
    async with opened(tmp_path, info=an_answer(body, 404), bare=an_answer(b"no", 400, "text/plain")) as (
        _,
        client,
    ):
        with pytest.raises(Refused) as refused:
            await client.get("info")
        assert (refused.value.status, refused.value.message) == (404, "No such container: x")
        with pytest.raises(Refused, match="no"):
            await client.get("bare")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (an_answer(b'{"message": "starting"}', 503), "starting"),
        (an_answer(b"{", 200), "no engine"),
        (an_answer(b"{}", 500), "no engine"),
        (an_answer(b"<html>", 200, "text/html"), "no engine"),
        (b"SSH-2.0-OpenSSH\r\n", "cut"),
        (an_answer(b"12345")[:-2], "cut"),
        (b"", "cut"),
    ],
)
async def test_answer_that_is_no_engine_s_is_an_engine_that_does_not_answer(tmp_path, answer, reason):
    async with opened(tmp_path, info=answer, good=an_answer(b"1")) as (engine, client):
        engine.ends_after = "info"
        with pytest.raises(EngineUnavailable, match=reason):
            await client.get("info")
        assert await client.get("good") == 1
        assert engine.asked.count("GET /version") == 2, "another engine may speak another version"


async def test_socket_that_is_not_there_is_an_engine_that_does_not_answer(tmp_path):
    async with calls.open_calls(str(tmp_path / "no.sock")) as client:
        with pytest.raises(EngineUnavailable, match="it can't be reached: No such file or directory"):
            await client.get("info")
