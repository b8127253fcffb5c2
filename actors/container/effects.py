"""The work that a state of a container requires.

An effect is a value with everything that its execution needs. It ends in an observation and is idempotent
against the engine.
"""

import attrs

from actors.container.spec import ContainerSpec, Limits, PortBinding, StopPolicy


@attrs.frozen
class EnsureImage:
    """Pull the image, and the installer's if it has one, as ``pull`` says; ends in ``ImageReported``."""

    attempt: int
    image: str
    pull: str
    installer: str | None = None


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
    """Create the container, pulling the image first where ``ensure_image``; ends in ``CreationReported``."""

    attempt: int
    spec: ContainerSpec
    ensure_image: bool


@attrs.frozen
class DiscardInstallation:
    """Remove everything of a failed installation from the engine; reports nothing."""

    attempt: int
    internal_id: str


@attrs.frozen
class BuildCandidate:
    """Create the new container beside the old one; ends in ``CandidateReported``.

    ``installation`` is the attempt that its volume was installed in, ``fresh`` are the ports that the old
    one does not have. The image is pulled as ``pull`` says.
    """

    attempt: int
    installation: int
    spec: ContainerSpec
    fresh: tuple[PortBinding, ...]
    pull: str


@attrs.frozen
class ReplaceInEngine:
    """Replace the old container by the new one; ends in ``ReplacementReported``."""

    attempt: int
    internal_id: str
    candidate: str


@attrs.frozen
class DiscardChange:
    """Remove everything of a failed or cancelled change from the engine; reports nothing."""

    attempt: int
    internal_id: str


@attrs.frozen
class ApplyLimits:
    """Apply ``limits`` to the container; ends in ``LimitsReported``."""

    engine_id: str
    limits: Limits


@attrs.frozen
class WatchConsole:
    """Read the console of this run to its end, reporting ``ReadinessReported``; ends in ``Inspected``.

    ``previous`` is as in ``StartInEngine``. ``awaited`` is true where the run is not recorded as ready when
    the effect begins. It is not compared, so that the same effect goes on when the run becomes ready. With
    ``hints``, their texts are looked for, too, and reported by ``HintReported``.
    """

    run: int
    engine_id: str
    pattern: str | None
    previous: float | None
    awaited: bool = attrs.field(eq=False)
    texts: tuple[str, ...] = ()
    hints: bool = attrs.field(default=False, eq=False)


@attrs.frozen
class StartInEngine:
    """Prepare the volume and start the process; ends in ``StartReported``.

    ``previous`` is when the run before it started. ``spec`` is not compared: what changes it applies to the
    next start.
    """

    run: int
    engine_id: str
    previous: float | None
    spec: ContainerSpec = attrs.field(eq=False)


@attrs.frozen
class StopInEngine:
    """Ask the process to end; ends in ``EndReported`` if it does not run. ``previous`` as above.

    A command is typed on a terminal if ``tty``, else written to a pipe.
    """

    run: int
    engine_id: str
    policy: StopPolicy
    previous: float | None
    tty: bool = True


@attrs.frozen
class WaitGrace:
    """Wait ``seconds``; ends in ``GraceElapsed``."""

    run: int
    seconds: float


@attrs.frozen
class KillInEngine:
    """Kill the process; ends in ``EndReported``. ``previous`` as above."""

    run: int
    engine_id: str
    previous: float | None


@attrs.frozen
class WaitBackoff:
    """Wait ``seconds``; ends in ``BackoffElapsed``."""

    run: int
    seconds: float


@attrs.frozen
class RemoveFromEngine:
    """Remove everything of the container from the engine; ends in ``RemovalReported``."""

    attempt: int
    internal_id: str


Effect = (
    EnsureImage
    | RunInstallScript
    | WaitInstall
    | CreateInEngine
    | DiscardInstallation
    | BuildCandidate
    | ReplaceInEngine
    | DiscardChange
    | ApplyLimits
    | WatchConsole
    | StartInEngine
    | StopInEngine
    | WaitGrace
    | KillInEngine
    | WaitBackoff
    | RemoveFromEngine
)
