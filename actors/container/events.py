"""What happened to a container: recorded; their names on disk are for ever.

``attempt`` numbers the installations and other changes of a container, ``run`` the lives of its process.
"""

from enum import Enum

import attrs

from actors.container.changed import Changed, Edited, LimitsApplied, LimitsRefused
from actors.container.spec import ContainerSpec
from actors.kernel.journal import Printed


class Follow(Enum):
    """What comes after the process has ended."""

    REST = "rest"
    START = "start"
    DELETE = "delete"
    CHANGE = "change"


@attrs.frozen
class Created:
    """The container was accepted and its installation began."""

    attempt: int
    spec: ContainerSpec


@attrs.frozen
class ImageEnsured:
    """The engine has the image."""

    attempt: int


@attrs.frozen
class ScriptFinished:
    """The install script ended well."""

    attempt: int


@attrs.frozen
class Installed:
    """The container is there and may be started."""

    attempt: int
    engine_id: str


@attrs.frozen
class InstallationFailed:
    """The installation ended without a container; ``fault`` is ``failed``, ``timeout`` or ``cancelled``."""

    attempt: int
    fault: str
    reason: str


@attrs.frozen
class StartRequested:
    """A run began: the process is to be started."""

    run: int


@attrs.frozen
class Rebuilt:
    """The container was missing from the engine and was made anew from its spec."""

    engine_id: str


@attrs.frozen
class Started:
    """The process runs since ``started_at`` (Unix seconds, the engine's clock)."""

    run: int
    started_at: float


@attrs.frozen
class PatternSeen:
    """The start pattern was seen before the engine had confirmed the start."""

    run: int


@attrs.frozen
class BecameReady:
    """The start pattern was seen, or there is none to wait for."""

    run: int


@attrs.frozen
class StartFailed:
    """The process could not be started."""

    run: int
    reason: str


@attrs.frozen
class StopRequested:
    """The process was asked to end in its own way, and ``follow`` comes after."""

    run: int
    follow: Follow


@attrs.frozen
class StopTimedOut:
    """The process did not end in time and is to be killed."""

    run: int


@attrs.frozen
class KillRequested:
    """The process is to be ended at once, and ``follow`` comes after."""

    run: int
    follow: Follow


@attrs.frozen
class Exited(Printed):
    """The process is gone.

    ``code`` is None where it never ran or nobody can tell; ``started_at`` and ``at`` are the engine's,
    None where it has none. ``expected`` is true where somebody had asked for it; where nobody had, ``reason``
    says for a person how it ended, and ``tail`` is the last that it printed.
    """

    run: int
    code: int | None
    oom_killed: bool
    expected: bool
    started_at: float | None
    at: float | None
    reason: str = ""
    tail: tuple[str, ...] = ()

    def unprinted(self) -> "Exited":
        """Return the same without ``tail``."""
        return attrs.evolve(self, tail=()) if self.tail else self


@attrs.frozen
class RestartScheduled:
    """The process crashed at ``at`` (Unix seconds) and is to be started again after ``delay`` seconds."""

    run: int
    delay: float
    at: float


@attrs.frozen
class RestartsGivenUp:
    """The process crashes in a loop and is left at rest: ``reason`` says so for a person."""

    run: int
    reason: str


@attrs.frozen
class RestartCalledOff:
    """The process is not to be started again after its crash."""

    run: int


@attrs.frozen
class FoundRunning:
    """A process runs that lightd did not start, or no longer expected."""

    run: int
    started_at: float


@attrs.frozen
class Vanished:
    """The engine no longer has the container."""

    engine_id: str


@attrs.frozen
class DeletionRequested:
    """The container is to be removed for good."""


@attrs.frozen
class Deleted:
    """The container is gone from the engine; its ports are free."""


Event = (
    Created
    | ImageEnsured
    | ScriptFinished
    | Installed
    | InstallationFailed
    | StartRequested
    | Rebuilt
    | Started
    | PatternSeen
    | BecameReady
    | StartFailed
    | StopRequested
    | StopTimedOut
    | KillRequested
    | Exited
    | RestartScheduled
    | RestartsGivenUp
    | RestartCalledOff
    | FoundRunning
    | Vanished
    | Changed
    | Edited
    | LimitsApplied
    | LimitsRefused
    | DeletionRequested
    | Deleted
)

Events = tuple[Event, ...]
