"""What happened to a container: recorded; their names on disk are for ever.

``attempt`` numbers the installations and other changes of a container, ``run`` the lives of its process.
"""

from enum import Enum

import attrs

from actors.container.spec import ContainerSpec, Limits, PortBinding, RestartPolicy, StopPolicy
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
class InstallationRepeated:
    """The installation that had failed began once more."""

    attempt: int
    image: str
    install_script: str | None


@attrs.frozen
class ReinstallRequested:
    """The container is to be installed anew, its volume kept."""

    attempt: int
    image: str
    install_script: str | None


@attrs.frozen
class RebindRequested:
    """The container is to be made anew with other ports."""

    attempt: int
    ports: tuple[PortBinding, ...]


@attrs.frozen
class NewImageEnsured:
    """The engine has the image that the container is to be installed anew from."""

    attempt: int


@attrs.frozen
class ReinstallBegan:
    """The process is down, and the install script may run again."""

    attempt: int


@attrs.frozen
class NewScriptFinished:
    """The install script ended well once more."""

    attempt: int


@attrs.frozen
class CandidateBuilt:
    """The new container is there as ``engine_id``, beside the old one."""

    attempt: int
    engine_id: str


@attrs.frozen
class ReplacementBegan:
    """The process is down, and the new container takes the place of the old one."""

    attempt: int


@attrs.frozen
class ResumptionDecided:
    """Whether the process is started once the new container is in its place."""

    attempt: int
    resume: bool


@attrs.frozen
class Replaced:
    """The new container is the container, and the old one is gone."""

    attempt: int


@attrs.frozen
class ChangeFailed:
    """A change came to nothing before it touched the process; ``fault`` is ``failed`` or ``cancelled``."""

    attempt: int
    fault: str
    reason: str


@attrs.frozen
class ChangeAbandoned:
    """A change came to nothing, and the container is at rest as it was.

    ``fault`` is ``failed``, ``timeout`` or ``cancelled``.
    """

    attempt: int
    fault: str
    reason: str


@attrs.frozen
class Edited:
    """The container is to be this from now on; what only a new process can take on, from its next start."""

    startup_command: str
    start_pattern: str | None
    environment: tuple[tuple[str, str], ...]
    stop: StopPolicy
    restart_policy: RestartPolicy
    limits: Limits
    read_only: bool | None = None


@attrs.frozen
class LimitsApplied:
    """The engine holds the container to its new limits."""

    limits: Limits


@attrs.frozen
class LimitsRefused:
    """The engine would not have the new limits: those before, ``limits``, hold."""

    limits: Limits
    reason: str


@attrs.frozen
class DeletionRequested:
    """The container is to be removed for good."""


@attrs.frozen
class Deleted:
    """The container is gone from the engine; its ports are free."""


Changed = (
    InstallationRepeated
    | ReinstallRequested
    | RebindRequested
    | NewImageEnsured
    | ReinstallBegan
    | NewScriptFinished
    | CandidateBuilt
    | ReplacementBegan
    | ResumptionDecided
    | Replaced
    | ChangeFailed
    | ChangeAbandoned
)
"""What steps of a replacement record (see ``replacement``)."""

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
