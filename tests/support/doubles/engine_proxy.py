"""A proxy in front of a real engine's socket that treats each request by its method and path.

A request may be held up before the engine sees it, or its answer be held back after the engine did it; both
go on to their end when they are let go, whether the client still waits or not. Streams can be cut any time.

Each connection carries one request: a ``Connection: close`` is added, so that nobody uses it again.
"""

import json
import re
from contextlib import asynccontextmanager, contextmanager

import attrs
import trio

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TROUBLE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


@attrs.define(eq=False)
class Held:
    """The requests that match ``pattern`` wait: before the engine sees them, or with its ``answer``.

    ``caught`` is how many came so far, ``done`` to how many of those the engine has answered.
    """

    pattern: re.Pattern
    answer: bool
    caught: int = 0
    done: int = 0
    arrived: trio.Event = attrs.field(factory=trio.Event)
    let_go: trio.Event = attrs.field(factory=trio.Event)

    async def wait(self):
        self.caught += 1
        self.arrived.set()
        await self.let_go.wait()


@attrs.define(eq=False)
class EngineProxy:
    """Made by ``open_engine_proxy``. ``requests`` is every request so far, as ``METHOD /path?query``."""

    behind: str
    requests: list[str] = attrs.field(factory=list)
    _rules: list[Held] = attrs.field(factory=list)
    _faults: list[tuple[re.Pattern, int, str]] = attrs.field(factory=list)
    _streams: dict[trio.CancelScope, str] = attrs.field(factory=dict)

    @contextmanager
    def holding(self, pattern, *, answer=False):
        """Hold up what matches ``pattern``; at the end it is let go."""
        held = Held(re.compile(pattern), answer)
        self._rules.append(held)
        try:
            yield held
        finally:
            self._rules.remove(held)
            held.let_go.set()

    @contextmanager
    def failing(self, pattern, status, message):
        """Answer what matches ``pattern`` with an error, without asking the engine."""
        fault = (re.compile(pattern), status, message)
        self._faults.append(fault)
        try:
            yield
        finally:
            self._faults.remove(fault)

    def cut(self, pattern):
        """Cut every connection whose request matches ``pattern`` and has an answer; return their number."""
        found = [scope for scope, request in self._streams.items() if re.search(pattern, request)]
        for scope in found:
            scope.cancel()
        return len(found)

    async def serve(self, client):
        async with client:
            try:
                head, rest = await _read_head(client)
                if head:
                    await self._pass_on(client, head, rest)
            except TROUBLE:
                return

    async def _pass_on(self, client, head, rest):
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        request = f"{method} {target}"
        self.requests.append(request)
        if found := LENGTH.search(head):
            while len(rest) < int(found[1]):
                rest += await client.receive_some()
        for pattern, status, message in self._faults:
            if pattern.search(request):
                text = json.dumps({"message": message}).encode()
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
                await client.send_all(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
                return
        rule = next((rule for rule in self._rules if rule.pattern.search(request)), None)
        if rule is not None and not rule.answer:
            await rule.wait()
        upgrade = b"\r\nupgrade:" in head.lower()
        async with await trio.open_unix_socket(self.behind) as engine:
            await engine.send_all((head if upgrade else head + b"\r\nConnection: close") + b"\r\n\r\n" + rest)
            first = b""
            if rule is not None or method == "GET":  # what is cut before it was answered is no stream yet
                first = await engine.receive_some()
            if rule is not None:
                rule.done += 1
                if rule.answer:
                    await rule.wait()
            await client.send_all(first)
            with trio.CancelScope() as scope:
                self._streams[scope] = request
                try:
                    await self._splice(client, engine)
                finally:
                    del self._streams[scope]

    async def _splice(self, client, engine):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_copy, client, engine, nursery.cancel_scope)
            await _copy(engine, client, nursery.cancel_scope)
            nursery.cancel_scope.cancel()


async def _read_head(client):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await client.receive_some()
        if not piece:
            return b"", b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


async def _copy(source, target, scope):
    try:
        async for data in source:
            await target.send_all(data)
        await target.send_eof()
    except TROUBLE:
        scope.cancel()  # one side is gone; so is the other


@asynccontextmanager
async def open_engine_proxy(path, behind):
    """Serve ``path`` as the engine at ``behind``; at the end all connections are cut and the file is gone."""
    proxy = EngineProxy(str(behind))
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen(100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, proxy.serve, [trio.SocketListener(listener)])
            try:
                yield proxy
            finally:
                path.unlink()
                nursery.cancel_scope.cancel()
