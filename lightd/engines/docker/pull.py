"""An image's pull, told to a person: a line now and then, not every step of every layer."""

import math
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import trio

from actors.container.engine import EngineRefused
from lightd.engines.docker import streams
from lightd.engines.docker.streams import Messages
from lightd.engines.docker.translate import Refused, to_progress, to_reference, to_refusal

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


async def pull(socket_path: str, version: str, image: str, progress: Callable[[str], None]) -> None:
    """Have ``image`` in the engine at ``socket_path``; raises ``EngineRefused`` where it can't be had."""
    progress(f"Pulling {image}")
    name, tag = to_reference(image)
    target = f"/{version}/images/create?{urlencode({'fromImage': name, 'tag': tag})}"
    try:
        # Its connection is the pull's life: the engine gives up on it when that is closed.
        async with streams.open_body(socket_path, "POST", target, patience=math.inf) as body:
            await follow(Messages(body), progress)
    except Refused as no:
        # The registry's refusals and faults come under any status.
        raise EngineRefused(f"The image {image} can't be pulled: {to_refusal(no.message)}") from None
    progress(f"Pulled {image}")
