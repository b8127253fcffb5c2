"""What is done in the volume of a server before each start of it: the Protocol, and one that does nothing.

The actor knows when a server is prepared; what that means is decided by the implementation.
"""

from collections.abc import Callable
from typing import Protocol

from actors.container.spec import ContainerSpec


class Unprepared(Exception):  # noqa: N818 - a result for the caller, not an error of ours
    """The server must not be started as it is; ``str()`` says why in one sentence, without host paths."""


class Preparer(Protocol):
    """Prepares servers for a start. ``tests/contracts/preparer_checks.py`` checks every implementation."""

    async def prepare(self, spec: ContainerSpec, say: Callable[[str], None]) -> None:
        """Make what ``spec`` needs in its volume; a second call without a change between changes nothing.

        Called while no process of the server runs, never twice at once for one container. What can't be made,
        and isn't needed for a start, is said with ``say``: lines for the console. Raises ``Unprepared``. A
        cancelled call has unwound when the cancellation is through; what it made until then stays.
        """


class NothingToPrepare:
    """Prepares nothing, for containers that need nothing."""

    async def prepare(self, spec: ContainerSpec, say: Callable[[str], None]) -> None:
        """Do nothing."""
