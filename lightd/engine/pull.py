"""The messages of an image's pull, told to a person: a line now and then, not every step of every layer."""

from collections.abc import Callable
from typing import Final

import trio

from lightd.engine.streams import Messages
from lightd.engine.translate import Refused, to_progress

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
