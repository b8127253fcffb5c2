"""What a state of a container wants done.

An effect ends in an observation, and is idempotent against the engine.
"""

import attrs

from actors.container.spec import ContainerSpec, StopPolicy


@attrs.frozen
class EnsureImage:
    """Have the image in the engine; ends in ``ImageReported``."""

    attempt: int
    image: str


@attrs.frozen
class RunInstallScript:
    """Run the install script to its exit code; ends in ``ScriptReported``."""

    attempt: int
    spec: ContainerSpec


@attrs.frozen
class WaitInstall:
    """Wait ``seconds``; ends in ``InstallTimeElapsed``."""

    attempt: int
    seconds: float


@attrs.frozen
class CreateInEngine:
    """Make the container; ends in ``CreationReported``."""

    attempt: int
    spec: ContainerSpec


@attrs.frozen
class DiscardInstallation:
    """Have nothing of a failed installation left in the engine; ends in nothing."""

    attempt: int
    internal_id: str


@attrs.frozen
class WatchConsole:
    """Read the console of this run to its end, telling ``ReadinessReported``; ends in ``Inspected``."""

    run: int
    engine_id: str
    pattern: str | None


@attrs.frozen
class StartInEngine:
    """Start the process; ends in ``StartReported``. ``previous`` is when the last run before it started."""

    run: int
    engine_id: str
    previous: float | None


@attrs.frozen
class StopInEngine:
    """Ask the process to end; ends in ``EndReported`` where it doesn't run."""

    run: int
    engine_id: str
    policy: StopPolicy


@attrs.frozen
class WaitGrace:
    """Wait ``seconds``; ends in ``GraceElapsed``."""

    run: int
    seconds: float


@attrs.frozen
class KillInEngine:
    """End the process at once; ends in ``EndReported``."""

    run: int
    engine_id: str


@attrs.frozen
class RemoveFromEngine:
    """Have nothing of the container left in the engine; ends in ``RemovalReported``."""

    attempt: int
    internal_id: str


Effect = (
    EnsureImage
    | RunInstallScript
    | WaitInstall
    | CreateInEngine
    | DiscardInstallation
    | WatchConsole
    | StartInEngine
    | StopInEngine
    | WaitGrace
    | KillInEngine
    | RemoveFromEngine
)
