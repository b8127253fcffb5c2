"""Faults of the fake engine: a hook that is awaited before and after each call."""

from collections.abc import Awaitable, Callable
from enum import Enum

import attrs


class Moment(Enum):
    """When the hook is called."""

    BEFORE = "before"
    AFTER = "after"


@attrs.frozen
class Call:
    """One call to the engine: the method's name, and its ``internal_id`` or image."""

    name: str
    subject: str = ""


Faults = Callable[[Call, Moment], Awaitable[None]]


async def no_faults(_call: Call, _moment: Moment) -> None:
    """No faults."""
