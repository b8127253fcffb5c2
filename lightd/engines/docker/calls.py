"""Short calls to the Docker Engine: a client beyond the bridge, loaded and opened by the first call.

It is opened without the engine, and works as soon as there is one. The API version is agreed on at the first
call and again after every ``EngineUnavailable``: an engine may come back as another release.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker.bridge import Bridge
from lightd.engines.docker.translate import to_version

if TYPE_CHECKING:
    from lightd.engines.docker.client import Client

LEAVING: Final = 3.0


@attrs.define(eq=False)
class Calls:
    """Asks the engine; made by ``open_calls``."""

    _bridge: Bridge
    _socket_path: str
    _client: "Client | None" = None
    _version: str | None = None
    _agreeing: trio.Lock = attrs.field(factory=trio.Lock)

    async def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """What the engine has at ``path``. Raises ``EngineUnavailable`` or ``Refused``, like ``change``."""
        await self.version()
        return await self._ask(self._bridge.run, "GET", path, params)

    async def post(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something that may be given up on; it may happen all the same."""
        await self.version()
        return await self._ask(self._bridge.run, "POST", path, params)

    async def change(
        self, method: str, path: str, data: Mapping[str, Any] | None = None, **params: str
    ) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something; once asked for, it is waited for, by a cancelled caller too.

        A cancelled create leaves a container behind, and a start a process: who gives up on one must know
        that it has ended.
        """
        await self.version()
        return await self._ask(self._bridge.run_to_end, method, path, params, data)

    def leave(self) -> None:
        """Wait for no answer longer than ``LEAVING`` seconds from now on."""
        self._bridge.hurry(LEAVING)

    async def version(self) -> str:
        """The agreed API version, as a path begins with it: ``v1.41``."""
        async with self._agreeing:
            if self._client is None:
                self._client = await self._bridge.run_to_end(_open_client, self._socket_path)
            if self._version is None:
                answer = await self._ask(self._bridge.run, "GET", "version", {}, versioned=False)
                self._version = self._client.docker.api_version = to_version(answer)
            return self._version

    async def _ask(self, run: Any, *request: Any, **options: Any) -> Any:  # noqa: ANN401 - as ``Client.ask``
        assert self._client is not None  # noqa: S101 - ``version`` has opened it
        try:
            return await run(partial(self._client.ask, *request, **options))
        except EngineUnavailable:
            self._version = None
            raise

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._client is not None:
            await self._bridge.run(self._client.close)


async def _open_client(socket_path: str) -> "Client":
    from lightd.engines.docker import client  # noqa: PLC0415 - the asyncio thread loads it, see there

    return await client.open_client(socket_path)


@asynccontextmanager
async def open_calls(bridge: Bridge, socket_path: str) -> AsyncIterator[Calls]:
    """A client for the engine at the socket, which need not be there yet."""
    calls = Calls(bridge, socket_path)
    try:
        yield calls
    finally:
        with trio.move_on_after(2, shield=True):
            await calls.close()
