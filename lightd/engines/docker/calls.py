"""Short calls to the Docker Engine.

Calls that change something go through aiodocker in its own thread (``bridge``). There a call runs to its end,
even if the task that waits for it is cancelled. The thread loads the library at the first such call. Calls
that can be abandoned at any time, such as every query, are made natively in Trio (``streams``). This takes
less than half of the processor time, and a daemon that starts only makes queries.

The API version is agreed on at the first call and again after every ``EngineUnavailable``: an engine may come
back as another release.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import attrs
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker import streams
from lightd.engines.docker.bridge import Bridge
from lightd.engines.docker.translate import NO_ENGINE, Refused, to_version

if TYPE_CHECKING:
    from lightd.engines.docker.client import Client

DEADLINE = 60.0
"""Seconds that the engine has for an answer."""
LEAVING: Final = 3.0
"""The same while the daemon ends."""
AT_ONCE: Final = 64 * 1024
"""Bytes of JSON that are parsed on the event loop, in half a millisecond; more in a thread."""

UNAVAILABLE: Final = 503


@attrs.define(eq=False)
class Calls:
    """Asks the engine; made by ``open_calls``."""

    _bridge: Bridge
    _socket_path: str
    _client: "Client | None" = None
    _version: str | None = None
    _agreeing: trio.Lock = attrs.field(factory=trio.Lock)
    _opening: trio.Lock = attrs.field(factory=trio.Lock)
    _asking: set[trio.CancelScope] = attrs.field(factory=set)
    _deadline: float | None = None

    async def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """What the engine has at ``path``. Raises ``EngineUnavailable`` or ``Refused``, like ``change``."""
        return await self._ask("GET", await self._to_target(path, params))

    async def post(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something that may be given up on; it may happen all the same."""
        return await self._ask("POST", await self._to_target(path, params))

    async def change(
        self, method: str, path: str, data: Mapping[str, Any] | None = None, **params: str
    ) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something; once asked for, it is waited for, by a cancelled caller too.

        A cancelled create leaves a container behind, and a start a process: who gives up on one must know
        that it has ended.
        """
        version = await self.version()
        async with self._opening:
            if self._client is None:
                self._client = await self._bridge.run_to_end(_open_client, self._socket_path)
        self._client.docker.api_version = version
        try:
            return await self._bridge.run_to_end(partial(self._client.ask, method, path, params, data))
        except EngineUnavailable:
            self._version = None
            raise

    def leave(self) -> None:
        """Wait for no answer longer than ``LEAVING`` seconds from now on."""
        self._bridge.hurry(LEAVING)
        self._deadline = LEAVING
        for scope in self._asking:
            scope.deadline = min(scope.deadline, trio.current_time() + LEAVING)

    async def version(self) -> str:
        """The agreed API version, as a path begins with it: ``v1.41``."""
        async with self._agreeing:
            if self._version is None:
                try:
                    self._version = to_version(await self._ask("GET", "/version"))
                except Refused as no:
                    raise EngineUnavailable(f"The engine does not answer: {no.message}") from None
            return self._version

    async def _to_target(self, path: str, params: Mapping[str, str]) -> str:
        target = f"/{await self.version()}/{path}"
        return f"{target}?{urlencode(params)}" if params else target

    async def _ask(self, method: str, target: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the engine answers, as JSON; None where it has nothing to say."""
        with trio.move_on_after(DEADLINE if self._deadline is None else self._deadline) as scope:
            self._asking.add(scope)
            try:
                return await _to_value((await streams.ask(self._socket_path, method, target)).body)
            except EngineUnavailable:
                self._version = None
                raise
            except Refused as no:
                if no.status == UNAVAILABLE:
                    self._version = None
                    raise EngineUnavailable(f"The engine does not answer: {no.message}") from None
                raise
            finally:
                self._asking.discard(scope)
        self._version = None
        raise EngineUnavailable("The engine does not answer: it took too long")

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._client is not None:
            await self._bridge.run(self._client.close)


async def _open_client(socket_path: str) -> "Client":
    from lightd.engines.docker import client  # noqa: PLC0415 - the asyncio thread loads it, see there

    return await client.open_client(socket_path)


async def _to_value(answer: bytes) -> Any:  # noqa: ANN401 - JSON
    if not answer:
        return None
    try:
        return (
            json.loads(answer)
            if len(answer) <= AT_ONCE
            else await trio.to_thread.run_sync(json.loads, answer)
        )
    except ValueError:
        raise EngineUnavailable(NO_ENGINE) from None


@asynccontextmanager
async def open_calls(bridge: Bridge, socket_path: str) -> AsyncIterator[Calls]:
    """A client for the engine at the socket, which need not be there yet."""
    calls = Calls(bridge, socket_path)
    try:
        yield calls
    finally:
        with trio.move_on_after(2, shield=True):
            await calls.close()
