"""The client for short calls, in the asyncio thread: aiodocker with our limits, and one table for its errors.

Only that thread imports this module: aiodocker and aiohttp take as long to load as half of lightd, and the
first response need not wait for them (``calls``).
"""

from collections.abc import Mapping
from typing import Any, Final

import aiodocker
import aiohttp
import attrs

from actors.container.engine import EngineUnavailable
from lightd.engines.docker.translate import ANOTHER, Refused

# `limit`: with none free, later calls wait `connect` seconds. Streams have connections of their own.
CONNECTIONS: Final = 32
DEADLINES: Final = aiohttp.ClientTimeout(total=60, connect=10, sock_connect=5)

UNREACHABLE: Final = 900  # aiodocker's own status
UNAVAILABLE: Final = 503


@attrs.define(eq=False)
class Client:
    """Asks the engine; made by ``open_client``."""

    docker: aiodocker.Docker

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        data: Mapping[str, Any] | None = None,
        *,
        versioned: bool = True,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return what the engine answers, as JSON. Raises ``EngineUnavailable`` or ``Refused``."""
        try:
            return await self.docker._query_json(  # noqa: SLF001 - public ones have no deadlines, leave answers unread
                path, method, params=dict(params), data=data, versioned_api=versioned
            )
        except aiodocker.DockerError as error:
            if error.status not in {UNREACHABLE, UNAVAILABLE}:
                raise Refused(error.status, error.message) from None
            reason = _to_reason(error) if error.status == UNREACHABLE else error.message
        except TimeoutError:
            reason = "it took too long"
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        except (ValueError, TypeError, KeyError):
            reason = ANOTHER
        raise EngineUnavailable(f"The engine does not answer: {reason}")

    async def close(self) -> None:
        await self.docker.session.close()


def _to_reason(error: aiodocker.DockerError) -> str:
    """Why nobody is at the socket, as the system says it: nothing is there, or it is not open to us."""
    told: str | None = getattr(getattr(error.__context__, "os_error", None), "strerror", None)
    return f"it cannot be reached: {told}" if told else "it cannot be reached"


async def open_client(socket_path: str) -> Client:
    """A client for the engine at the socket, which need not be there yet; it has to be closed."""
    connector = aiohttp.UnixConnector(socket_path, limit=CONNECTIONS)
    session = aiohttp.ClientSession(connector=connector, timeout=DEADLINES, read_bufsize=1 << 20)
    # The version stands for "not agreed on yet"; aiodocker's own "auto" asks once for each first call.
    return Client(
        aiodocker.Docker(
            "unix://localhost", connector=connector, session=session, timeout=DEADLINES, api_version="v1.41"
        )
    )
