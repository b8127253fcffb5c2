"""What a container actor is told: commands and observations.

A command is imperative and may be rejected. An observation reports what was seen and never is: one that is
stale decides nothing. ``attempt`` numbers the installations and other changes of a container, ``run`` the
lives of its process.
"""

import attrs

from actors.container.engine import Snapshot
from actors.container.spec import ContainerSpec, Limits, PortBinding, RestartPolicy, StopPolicy


@attrs.frozen
class Create:
    """Install a new container."""

    spec: ContainerSpec


@attrs.frozen
class Start:
    """Have the process running."""


@attrs.frozen
class Stop:
    """Have the process ended in its own way, killed when it takes longer than it may."""


@attrs.frozen
class Kill:
    """Have the process ended at once."""


@attrs.frozen
class Restart:
    """Stop, then start."""


@attrs.frozen
class Reinstall:
    """Have the container installed anew, from another image or by another script where they are given."""

    image: str | None = None
    install_script: str | None = None


@attrs.frozen
class Rebind:
    """Have the container made anew with ``ports``."""

    ports: tuple[PortBinding, ...]


@attrs.frozen
class Edit:
    """Have the container be something else in what is given; an empty ``start_pattern`` takes it away."""

    startup_command: str | None = None
    start_pattern: str | None = None
    environment: tuple[tuple[str, str], ...] | None = None
    stop: StopPolicy | None = None
    restart_policy: RestartPolicy | None = None
    limits: Limits | None = None
    read_only: bool | None = None


@attrs.frozen
class Delete:
    """Stop, then remove the container for good."""


# Observations


@attrs.frozen
class ImageReported:
    """The image is there, or ``error`` says why it can't be had."""

    attempt: int
    error: str | None = None


@attrs.frozen
class ScriptReported:
    """The install script ended with ``code``, or ``error`` says why it could not be run."""

    attempt: int
    code: int | None = None
    error: str | None = None


@attrs.frozen
class InstallTimeElapsed:
    """The install script has had the time it may take."""

    attempt: int


@attrs.frozen
class CreationReported:
    """The engine has the container as ``engine_id``, or ``error`` says why it can't be made."""

    attempt: int
    engine_id: str | None = None
    error: str | None = None


@attrs.frozen
class CandidateReported:
    """The new container is there as ``engine_id``, or ``error`` says why it can't be made."""

    attempt: int
    engine_id: str | None = None
    error: str | None = None


@attrs.frozen
class ReplacementReported:
    """The new container has its place, or ``error`` says why it can't have it."""

    attempt: int
    error: str | None = None


@attrs.frozen
class LimitsReported:
    """The engine holds the container to ``limits``, or ``error`` says why it would not."""

    limits: Limits
    error: str | None = None


@attrs.frozen
class StartReported:
    """The engine was asked to start; ``snapshot`` was taken after it, None where there is no container.

    ``tail`` is the last that was printed, where it has ended already.
    """

    run: int
    snapshot: Snapshot | None = None
    error: str | None = None
    tail: tuple[str, ...] = ()


@attrs.frozen
class ReadinessReported:
    """The start pattern was seen on the console."""

    run: int


@attrs.frozen
class GraceElapsed:
    """The process has had the time it may take to stop."""

    run: int


@attrs.frozen
class EndReported:
    """The process does not run: ``snapshot`` was taken after every start of this run had ended."""

    run: int
    snapshot: Snapshot | None


@attrs.frozen
class BackoffElapsed:
    """It is time to start the process again that crashed."""

    run: int


@attrs.frozen
class Inspected:
    """The engine was looked at, some moment ago. ``tail`` is the last that a dead process printed."""

    snapshot: Snapshot
    tail: tuple[str, ...] = ()


@attrs.frozen
class AbsenceReported:
    """The engine was looked at when this container was known as ``engine_id``, and does not have it."""

    engine_id: str
    tail: tuple[str, ...] = ()


@attrs.frozen
class RemovalReported:
    """Nothing of the container is left in the engine."""

    attempt: int


Command = Create | Start | Stop | Kill | Restart | Reinstall | Rebind | Edit | Delete
Observation = (
    ImageReported
    | ScriptReported
    | InstallTimeElapsed
    | CreationReported
    | CandidateReported
    | ReplacementReported
    | LimitsReported
    | StartReported
    | ReadinessReported
    | GraceElapsed
    | EndReported
    | BackoffElapsed
    | Inspected
    | AbsenceReported
    | RemovalReported
)
Message = Command | Observation
