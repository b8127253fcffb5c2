"""What is to go wrong in the fake engine: a hook that is awaited before and after each call."""

from collections.abc import Awaitable, Callable
from enum import Enum

import attrs


class Moment(Enum):
    """When a fault is consulted."""

    BEFORE = "before"
    AFTER = "after"


@attrs.frozen
class Call:
    """One call to the engine: the method's name and the ``internal_id`` (or the image) that it was about."""

    name: str
    subject: str = ""


Faults = Callable[[Call, Moment], Awaitable[None]]


async def no_faults(_call: Call, _moment: Moment) -> None:
    """Let everything go well."""
