"""What is in an image that a container is made of: its volumes, and the users that it has names for.

Docker shows an image's files only through a container, so one is made for each image, never started, and
removed. Its role is its own, so it is neither listed nor told of as a server's or an installer's; one that a
killed daemon left behind is removed by ``sweep``. The files are a tenant's: an image is refused where one of
them is larger than ``LONGEST`` bytes or is no file. Docker opens both at each start, and one that is a FIFO
would keep the start, and each later call about the container, from ever ending.
"""

import base64
import io
import json
import logging
import tarfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import trio

from actors.container.engine import EngineFault, EngineRefused, EngineUnavailable
from lightd.engines.docker import calls, recipe, streams, translate
from lightd.engines.docker.containers import CONFLICT, NOT_FOUND, Containers, refusals
from lightd.engines.docker.translate import Refused

logger = logging.getLogger(__name__)

LONGEST: Final = 128 * 1024
REMEMBERED: Final = 64
TYPE: Final = 0x8F280000  # the bits of a type in Go's os.FileMode; a regular file has none of them
LINK: Final = 1 << 27
ROLE: Final = "image"
"""The role of a container that is made to look into an image: no ``Role``, for it is nobody's server."""


@attrs.frozen
class Image:
    """An image by its id, with the paths of its volumes and its files of users and of groups."""

    image_id: str
    volumes: tuple[str, ...]
    passwd: bytes
    group: bytes


@attrs.define(eq=False)
class Images:
    """Looks into images, once into each."""

    _socket_path: str
    _calls: calls.Calls
    _containers: Containers
    _layout: recipe.Layout
    _known: OrderedDict[str, Image] = attrs.field(factory=OrderedDict)
    _looking: trio.Lock = attrs.field(factory=trio.Lock)

    async def look(self, name: str) -> Image:
        """The image of that name as it is now; raises as ``Engine.create_server``."""
        with refusals():
            found = await self._calls.get(translate.to_image_path(name))
        image_id = str(found["Id"])
        async with self._looking:
            if image_id not in self._known:
                self._known[image_id] = await self._look_inside(image_id, found)
            self._known.move_to_end(image_id)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return self._known[image_id]

    async def _look_inside(self, image_id: str, found: Mapping[str, Any]) -> Image:
        volumes = tuple(sorted((found.get("Config") or {}).get("Volumes") or ()))
        engine_id = await self._make(image_id)
        try:
            paths = [await self._locate(engine_id, path) for path in ("/etc/passwd", "/etc/group")]
            passwd, group = [await self._read(engine_id, path) for path in paths]
            if await self._containers.look(engine_id) is None:  # then its files only seem to be missing
                raise EngineUnavailable("The container that an image was looked into was removed meanwhile")
        finally:
            with trio.CancelScope(shield=True):
                await self._containers.remove(engine_id)
        return Image(image_id, volumes, passwd, group)

    async def sweep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Of the listed containers, those that a killed daemon made to look into an image are removed."""
        left = [row["Id"] for row in rows if (row["Labels"] or {}).get(translate.ROLE) == ROLE]
        for engine_id in () if self._looking.locked() else left:
            try:
                await self._containers.remove(engine_id)
            except (EngineFault, EngineRefused) as error:
                logger.warning("Docker does not remove %s, made to look into an image: %s", engine_id, error)

    async def _make(self, image_id: str) -> str:
        whose = self._layout.journal_id[:16] or self._layout.node
        name = f"lightd.image-{whose}-{image_id.rpartition(':')[2][:12]}"
        config = {
            "Image": image_id,
            "Entrypoint": ["/bin/sh"],
            "NetworkDisabled": True,
            "HostConfig": {"NetworkMode": "none"},
            "Labels": {
                translate.MANAGED: "true",
                translate.NODE: self._layout.node,
                translate.JOURNAL: self._layout.journal_id,
                translate.ROLE: ROLE,
            },
        }
        for _ in range(2):
            try:
                made = await self._containers.change("POST", "containers/create", config, name=name)
            except Refused as no:
                if no.status != CONFLICT:
                    raise EngineRefused(translate.to_refusal(no.message)) from None
                await self._containers.remove(name)  # a killed daemon left it behind
            else:
                return str(made["Id"])
        raise EngineUnavailable(f"The name {name} is taken again and again")

    async def _read(self, engine_id: str, path: str) -> bytes:
        """The file at a ``path`` from ``_locate``; nothing without one."""
        if not path:
            return b""
        packed = b""
        async with streams.open_body(
            self._socket_path, "GET", await self._to_target(engine_id, path)
        ) as body:
            async for piece in body:
                packed += piece
        return await trio.to_thread.run_sync(unpack, packed)

    async def _locate(self, engine_id: str, path: str) -> str:
        """The path of a file of the image's without links, empty where there is none.

        Raises ``EngineRefused`` where it is something else or too long. No file is opened: Docker opens
        ``/etc/group`` itself for each file that it sends.
        """
        at = path
        for _ in range(2):
            try:
                headers = await streams.read_headers(self._socket_path, await self._to_target(engine_id, at))
                found = json.loads(base64.b64decode(headers["x-docker-container-path-stat"]))
            except Refused as no:
                if no.status == NOT_FOUND:
                    return ""
                raise EngineRefused(f"The image's {path} can't be looked at") from None
            mode = int(found["mode"])
            if mode & TYPE == 0:
                if int(found["size"]) > LONGEST:
                    raise EngineRefused(f"The image's {path} is larger than {LONGEST // 1024} KiB")
                return at
            if mode & TYPE != LINK:
                break
            at = str(found["linkTarget"])
        raise EngineRefused(f"The image's {path} is neither a file nor a link to one")

    async def _to_target(self, engine_id: str, path: str) -> str:
        path_of = translate.to_container_path(engine_id, "archive")
        return f"/{await self._calls.version()}/{path_of}?{urlencode({'path': path})}"


def unpack(packed: bytes) -> bytes:
    """What the file in a tar contains, nothing where its first entry is no file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            entry = archive.next()
            file = archive.extractfile(entry) if entry is not None and entry.isreg() else None
            return b"" if file is None else file.read()
    except (tarfile.TarError, ValueError, OverflowError):
        return b""
