"""Pulls of images; their progress is reported in a few lines a second, not for every step of every layer."""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import trio

from actors.container.engine import EngineRefused
from lightd.engines import image_names
from lightd.engines.docker import registries, streams
from lightd.engines.docker.streams import Messages
from lightd.engines.docker.translate import Refused, to_progress, to_reference, to_refusal

logger = logging.getLogger("lightd.engines.docker")

INTERVAL: Final = 0.5
"""Seconds between two lines; what comes sooner is left out, as the next one tells more."""

NOT_FOUND: Final = 404


async def follow(messages: Messages, progress: Callable[[str], None]) -> None:
    """Follow a pull to its end; raises ``Refused`` where it failed."""
    told_at = trio.current_time()
    async for message in messages:
        if error := message.get("error"):
            raise Refused(NOT_FOUND, error)
        line = to_progress(message)
        if line and trio.current_time() >= told_at + INTERVAL:
            told_at = trio.current_time()
            progress(line)


async def pull(
    socket_path: str,
    version: str,
    image: str,
    progress: Callable[[str], None],
    credentials: Path | None = None,
) -> None:
    """Pull ``image`` into the engine at ``socket_path``, with the credentials of its registry in that file.

    Raises ``EngineRefused`` if it can't be pulled. If the file can't be used, the image is pulled without
    credentials, and a refusal says so.
    """
    progress(f"Pulling {image}")
    name, tag = to_reference(image)
    target = f"/{version}/images/create?{urlencode({'fromImage': name, 'tag': tag})}"
    headers, trouble = await _log_in(image, credentials)
    try:
        # Its connection is the pull's life: the engine gives up on it when that is closed.
        async with streams.open_body(socket_path, "POST", target, patience=math.inf, headers=headers) as body:
            await follow(Messages(body), progress)
    except Refused as no:
        # The registry's refusals and faults come under any status.
        raise EngineRefused(
            f"The image {image} cannot be pulled: {to_refusal(no.message)}{trouble}"
        ) from None
    progress(f"Pulled {image}")


async def _log_in(image: str, path: Path | None) -> tuple[Sequence[tuple[str, str]], str]:
    """The headers of a pull, and what to add to its refusal."""
    if path is None:
        return (), ""
    try:
        found = await trio.to_thread.run_sync(registries.read, path)
    except registries.BadRegistries as bad:
        logger.warning("docker.registries (%s) cannot be used: %s", path, bad)
        return (), f" (docker.registries cannot be used: {to_refusal(str(bad)).removeprefix('Docker: ')})"
    host = image_names.to_registry(image)
    credentials = found.get(host)
    return (() if credentials is None else (("X-Registry-Auth", credentials.to_header(host)),)), ""
