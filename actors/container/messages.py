"""The messages of a container actor: commands and observations.

A command is imperative and can be rejected. An observation reports what was seen; it is never rejected, and
a stale one records nothing. ``attempt`` numbers the installations and other changes of a container, ``run``
the runs of its process.
"""

import attrs

from actors.container.engine import Snapshot
from actors.container.spec import (
    ContainerSpec,
    EggUse,
    GameQuery,
    Installer,
    Limits,
    PortBinding,
    RestartPolicy,
    StopPolicy,
)


@attrs.frozen
class Create:
    """Install a new container."""

    spec: ContainerSpec


@attrs.frozen
class Adopt:
    """Take over a container of a lost journal, which the engine has as ``snapshot`` says.

    It was made from ``spec``; ``attempt`` is the last one that is known of it.
    """

    spec: ContainerSpec
    attempt: int
    snapshot: Snapshot


@attrs.frozen
class Start:
    """Start the process."""


@attrs.frozen
class Stop:
    """Ask the process to end by its stop policy, and kill it after the policy's timeout."""


@attrs.frozen
class Kill:
    """Kill the process."""


@attrs.frozen
class Restart:
    """Stop, then start."""


@attrs.frozen
class Reinstall:
    """Install the container again, with another image, script or pull policy if they are given.

    ``install`` takes the place of an install script, and the other way round. Without ``run_script`` the
    install script is not run.
    """

    image: str | None = None
    install_script: str | None = None
    run_script: bool = True
    pull: str | None = None
    install: Installer | None = None


@attrs.frozen
class Rebind:
    """Replace the container by one with ``ports``."""

    ports: tuple[PortBinding, ...]


@attrs.frozen
class Edit:
    """Change the settings that are given.

    An empty ``start_pattern`` removes the pattern, an empty ``display_name`` the name, and an ``install``
    with an empty script the installer. A new installer is used by the next reinstallation. ``egg`` was made
    from ``egg_before``: the edit is rejected if the container has something else by now.
    """

    startup_command: str | None = None
    start_pattern: str | None = None
    environment: tuple[tuple[str, str], ...] | None = None
    stop: StopPolicy | None = None
    restart_policy: RestartPolicy | None = None
    limits: Limits | None = None
    read_only: bool | None = None
    image: str | None = None
    pull: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    display_name: str | None = None
    entrypoint: str | None = None
    install: Installer | None = None
    start_texts: tuple[str, ...] | None = None
    file_denylist: tuple[str, ...] | None = None
    egg: EggUse | None = None
    egg_before: EggUse | None = None
    query: GameQuery | None = None


@attrs.frozen
class Delete:
    """Stop the process, then remove the container."""


# Observations


@attrs.frozen
class ImageReported:
    """The engine has the image, or ``error`` is why it could not be pulled."""

    attempt: int
    error: str | None = None


@attrs.frozen
class ScriptReported:
    """The install script ended with ``code``, or ``error`` is why it could not be run."""

    attempt: int
    code: int | None = None
    error: str | None = None


@attrs.frozen
class InstallTimeElapsed:
    """The time limit of the install script has passed."""

    attempt: int


@attrs.frozen
class CreationReported:
    """The engine has the container as ``engine_id``, or ``error`` is why it could not be created."""

    attempt: int
    engine_id: str | None = None
    error: str | None = None


@attrs.frozen
class CandidateReported:
    """The engine has the new container as ``engine_id``, or ``error`` is why it could not be created."""

    attempt: int
    engine_id: str | None = None
    error: str | None = None


@attrs.frozen
class ReplacementReported:
    """The new container has replaced the old one, or ``error`` is why it could not."""

    attempt: int
    error: str | None = None


@attrs.frozen
class LimitsReported:
    """The engine applies ``limits`` to the container, or ``error`` is why it refused them."""

    limits: Limits
    error: str | None = None


@attrs.frozen
class StartReported:
    """The start was requested; ``snapshot`` was taken after it, None if there is no container.

    ``tail`` is the last output of a process that has already ended.
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
class HintReported:
    """A text of ``hint`` was seen on the console, for the first time in the run."""

    run: int
    hint: str


@attrs.frozen
class GraceElapsed:
    """The timeout of the stop policy has passed."""

    run: int


@attrs.frozen
class EndReported:
    """The process does not run: ``snapshot`` was taken after every start of this run had ended."""

    run: int
    snapshot: Snapshot | None


@attrs.frozen
class BackoffElapsed:
    """The delay before the restart of a crashed process has passed."""

    run: int


@attrs.frozen
class RestoreDecided:
    """It is the turn of a process that is to be restored; it stays down if ``allowed`` is false."""

    run: int
    allowed: bool


@attrs.frozen
class Inspected:
    """The state of the engine's container a moment ago. ``tail`` is the last output of an ended process."""

    snapshot: Snapshot
    tail: tuple[str, ...] = ()


@attrs.frozen
class AbsenceReported:
    """The engine does not have the container ``engine_id``. ``tail`` is as in ``Inspected``."""

    engine_id: str
    tail: tuple[str, ...] = ()


@attrs.frozen
class RemovalReported:
    """The engine has removed everything of the container."""

    attempt: int


Command = Create | Adopt | Start | Stop | Kill | Restart | Reinstall | Rebind | Edit | Delete
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
    | HintReported
    | GraceElapsed
    | EndReported
    | BackoffElapsed
    | RestoreDecided
    | Inspected
    | AbsenceReported
    | RemovalReported
)
Message = Command | Observation
