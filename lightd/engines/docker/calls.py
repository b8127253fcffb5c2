"""Short calls to the Docker Engine: aiodocker beyond the bridge, and one table for its errors.

The client is made without the engine, and works as soon as there is one. The API version is agreed on at
the first call and again after every ``EngineUnavailable``: an engine may come back as another release.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import aiodocker
import aiohttp
import attrs
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker.bridge import Bridge
from lightd.engines.docker.translate import Refused, to_version

# `limit`: with none free, later calls wait `connect` seconds. Streams have connections of their own.
CONNECTIONS: Final = 32
DEADLINES: Final = aiohttp.ClientTimeout(total=60, connect=10, sock_connect=5)

LEAVING: Final = 3.0

UNREACHABLE: Final = 900  # aiodocker's own status


@attrs.define(eq=False)
class Calls:
    """Asks the engine; made by ``open_calls``."""

    _bridge: Bridge
    _docker: aiodocker.Docker
    _version: str | None = None
    _agreeing: trio.Lock = attrs.field(factory=trio.Lock)

    async def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """What the engine has at ``path``. Raises ``EngineUnavailable`` or ``Refused``, like ``change``."""
        await self.version()
        return await self._mapped(self._bridge.run, "GET", path, params, None)

    async def post(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something that may be given up on; it may happen all the same."""
        await self.version()
        return await self._mapped(self._bridge.run, "POST", path, params, None)

    async def change(
        self, method: str, path: str, data: Mapping[str, Any] | None = None, **params: str
    ) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something; once asked for, it is waited for, by a cancelled caller too.

        A cancelled create leaves a container behind, and a start a process: who gives up on one must know
        that it has ended.
        """
        await self.version()
        return await self._mapped(self._bridge.run_to_end, method, path, params, data)

    def leave(self) -> None:
        """Wait for no answer longer than ``LEAVING`` seconds from now on."""
        self._bridge.hurry(LEAVING)

    async def version(self) -> str:
        """The agreed API version, as a path begins with it: ``v1.41``."""
        async with self._agreeing:
            if self._version is None:
                answer = await self._mapped(self._bridge.run, "GET", "version", {}, None, versioned=False)
                self._version = self._docker.api_version = to_version(answer)
            return self._version

    async def _mapped(
        self,
        run: Any,  # noqa: ANN401 - one of the bridge's two
        method: str,
        path: str,
        params: Mapping[str, str],
        data: Mapping[str, Any] | None,
        *,
        versioned: bool = True,
    ) -> Any:  # noqa: ANN401 - JSON
        query = partial(
            self._docker._query_json,  # noqa: SLF001 - public ones have no deadlines, leave answers unread
            path,
            method,
            params=params,
            data=data,
            versioned_api=versioned,
        )
        try:
            return await run(query)
        except aiodocker.DockerError as error:
            if error.status not in {UNREACHABLE, 503}:
                raise Refused(error.status, error.message) from None
            reason = _to_reason(error) if error.status == UNREACHABLE else error.message
        except TimeoutError:
            reason = "it took too long"
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        except (ValueError, TypeError, KeyError):
            reason = "what answers is no engine"
        self._version = None
        raise EngineUnavailable(f"The engine does not answer: {reason}")


def _to_reason(error: aiodocker.DockerError) -> str:
    """Why nobody is at the socket, as the system says it: nothing is there, or it is not open to us."""
    told: str | None = getattr(getattr(error.__context__, "os_error", None), "strerror", None)
    return f"it can't be reached: {told}" if told else "it can't be reached"


@asynccontextmanager
async def open_calls(bridge: Bridge, socket_path: str) -> AsyncIterator[Calls]:
    """A client for the engine at the socket, which need not be there yet."""
    session = await bridge.run(_open_session, socket_path)
    try:
        yield Calls(bridge, await bridge.run(_make_docker, session))
    finally:
        with trio.move_on_after(2, shield=True):
            await bridge.run(session.close)


async def _open_session(socket_path: str) -> aiohttp.ClientSession:
    connector = aiohttp.UnixConnector(socket_path, limit=CONNECTIONS)
    return aiohttp.ClientSession(connector=connector, timeout=DEADLINES, read_bufsize=1 << 20)


async def _make_docker(session: aiohttp.ClientSession) -> aiodocker.Docker:
    # The version stands for "not agreed on yet"; aiodocker's own "auto" asks once for each first call.
    return aiodocker.Docker(
        "unix://localhost",
        connector=session.connector,
        session=session,
        timeout=DEADLINES,
        api_version="v1.41",
    )
