"""Checks the files in which Docker looks up a container's user, at each of its starts, before it does.

Docker opens ``/etc/passwd`` and ``/etc/group`` of the container's own file system. A FIFO there keeps the
start, and each later call about the container, from ever ending. The files are a tenant's: those of an image,
and those that a server with a writable root file system can replace while it runs.
"""

import base64
import json
from typing import Final
from urllib.parse import urlencode

import attrs

from actors.container.engine import EngineRefused
from lightd.engines.docker import calls, streams, translate
from lightd.engines.docker.containers import NOT_FOUND
from lightd.engines.docker.translate import Refused

PATHS: Final = ("/etc/passwd", "/etc/group")
LONGEST: Final = 128 * 1024
_TYPE: Final = 0x8F280000  # the bits of a type in Go's os.FileMode; a regular file has none of them
_LINK: Final = 1 << 27


@attrs.frozen(eq=False)
class UserFiles:
    """Asks Docker about the files of containers that do not run."""

    _socket_path: str
    _calls: calls.Calls

    async def check(self, engine_id: str) -> None:
        """Raise ``EngineRefused`` if Docker could not start the container because of one of its files."""
        for path in PATHS:
            await self.locate(engine_id, path, "container")

    async def locate(self, engine_id: str, path: str, whose: str) -> str:
        """Return the path of a file without links, empty if there is none.

        Raises ``EngineRefused`` if it is something else or too long; ``whose`` is a word for the message. No
        file is opened: Docker opens ``/etc/group`` itself for each file that it sends.
        """
        at = path
        for _ in range(2):
            try:
                headers = await streams.read_headers(self._socket_path, await self.to_target(engine_id, at))
                found = json.loads(base64.b64decode(headers["x-docker-container-path-stat"]))
            except Refused as no:
                if no.status == NOT_FOUND:
                    return ""
                raise EngineRefused(f"The {whose}'s {path} cannot be looked at") from None
            mode = int(found["mode"])
            if mode & _TYPE == 0:
                if int(found["size"]) > LONGEST:
                    raise EngineRefused(f"The {whose}'s {path} is larger than {LONGEST // 1024} KiB")
                return at
            if mode & _TYPE != _LINK:
                break
            at = str(found["linkTarget"])
        raise EngineRefused(f"The {whose}'s {path} is neither a file nor a link to one")

    async def to_target(self, engine_id: str, path: str) -> str:
        """Return the target of a request about a file of a container."""
        path_of = translate.to_container_path(engine_id, "archive")
        return f"/{await self._calls.version()}/{path_of}?{urlencode({'path': path})}"
