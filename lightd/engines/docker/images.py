"""What is in an image that a container is made of: its volumes, and the users that it has names for.

Docker shows an image's files only through a container, so one is made for each image, never started, and
removed. Its role is its own, so it is neither listed nor told of as a server's or an installer's; one that a
killed daemon left behind is removed by ``sweep``. An image is refused whose files Docker can't read
(``user_files``).
"""

import io
import logging
import tarfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from actors.container.engine import EngineFault, EngineRefused, EngineUnavailable
from lightd.engines.docker import calls, recipe, streams, translate
from lightd.engines.docker.containers import CONFLICT, Containers, refusals
from lightd.engines.docker.translate import Refused
from lightd.engines.docker.user_files import PATHS, UserFiles

logger = logging.getLogger(__name__)

REMEMBERED: Final = 64
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
    _files: UserFiles
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
            paths = [await self._files.locate(engine_id, path, "image") for path in PATHS]
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
        raise EngineUnavailable(f"The name {name} is taken by another program, again and again")

    async def _read(self, engine_id: str, path: str) -> bytes:
        """The file at a ``path`` from ``UserFiles.locate``; nothing without one."""
        if not path:
            return b""
        packed = b""
        target = await self._files.to_target(engine_id, path)
        async with streams.open_body(self._socket_path, "GET", target) as body:
            async for piece in body:
                packed += piece
        return await trio.to_thread.run_sync(unpack, packed)


def unpack(packed: bytes) -> bytes:
    """What the file in a tar contains, nothing where its first entry is no file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            entry = archive.next()
            file = archive.extractfile(entry) if entry is not None and entry.isreg() else None
            return b"" if file is None else file.read()
    except (tarfile.TarError, ValueError, OverflowError):
        return b""
