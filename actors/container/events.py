"""The events of a container. Their names on disk never change.

``attempt`` numbers the installations and other changes of a container, ``run`` the runs of its process.
"""

from enum import Enum

import attrs

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
from actors.kernel.journal import Printed


class Follow(Enum):
    """What follows when the process has ended."""

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
class Adopted:
    """A container of a lost journal was taken over as it is, with the spec that was stored for it.

    ``previous`` is when its process last started, None if it runs or never ran.
    """

    attempt: int
    engine_id: str
    previous: float | None
    spec: ContainerSpec


@attrs.frozen
class ImageEnsured:
    """The engine has the image."""

    attempt: int


@attrs.frozen
class ScriptFinished:
    """The install script succeeded, or none is run."""

    attempt: int


@attrs.frozen
class Installed:
    """The container was created and can be started."""

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
    """A run began: the start of the process was requested."""

    run: int


@attrs.frozen
class Rebuilt:
    """The container was missing from the engine and was created again from its spec."""

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
class HintGiven:
    """The console says something about a problem that the operator can solve; ``hint`` is in ``hints.HINTS``.

    ``advice`` is a sentence on what to do.
    """

    run: int
    hint: str
    advice: str


@attrs.frozen
class StartFailed:
    """The process could not be started."""

    run: int
    reason: str


@attrs.frozen
class StopRequested:
    """The process was asked to end by its stop policy; ``follow`` is what comes after."""

    run: int
    follow: Follow


@attrs.frozen
class StopTimedOut:
    """The process did not end in time and is killed."""

    run: int


@attrs.frozen
class KillRequested:
    """The process is killed on request; ``follow`` is what comes after."""

    run: int
    follow: Follow


@attrs.frozen
class Exited(Printed):
    """The process ended.

    ``code`` is None if it never ran or its code is unknown; ``started_at`` and ``at`` are the engine's, None
    if it has none. ``oom_killed`` is true if the main process was killed because of the memory limit,
    ``child_oom_killed`` if only another process in the container was. ``expected`` is true if the end had
    been requested, or if the engine or the host was shut down; if not, it is a crash, and ``tail`` is its
    last output. ``reason`` describes in a sentence how it ended, and is empty if the end had been requested.
    """

    run: int
    code: int | None
    oom_killed: bool
    expected: bool
    started_at: float | None
    at: float | None
    reason: str = ""
    tail: tuple[str, ...] = ()
    child_oom_killed: bool = False

    def unprinted(self) -> "Exited":
        """Return the same without ``tail``."""
        return attrs.evolve(self, tail=()) if self.tail else self


@attrs.frozen
class RestartScheduled:
    """The process crashed at ``at`` (Unix seconds) and is started again after ``delay`` seconds."""

    run: int
    delay: float
    at: float


@attrs.frozen
class RestartsGivenUp:
    """The process crashes in a loop and is not started again; ``reason`` is a sentence that says so."""

    run: int
    reason: str


@attrs.frozen
class RestoreScheduled:
    """The process ended with the engine or the host, and is started again as soon as it is its turn."""

    run: int


@attrs.frozen
class RestartCalledOff:
    """The restart after a crash, or the restore, was cancelled."""

    run: int


@attrs.frozen
class FoundRunning:
    """The process was found running although lightd had not started it or had recorded its end."""

    run: int
    started_at: float


@attrs.frozen
class Vanished:
    """The engine no longer has the container."""

    engine_id: str


@attrs.frozen
class InstallationRepeated:
    """An installation that had failed began again; without ``run_script`` the install script is not run."""

    attempt: int
    image: str
    install_script: str | None
    run_script: bool = True
    pull: str = "missing"
    install: Installer | None = None


@attrs.frozen
class ReinstallRequested:
    """A reinstallation was requested; the volume is kept.

    Without ``run_script`` the install script is not run.
    """

    attempt: int
    image: str
    install_script: str | None
    run_script: bool = True
    pull: str = "missing"
    install: Installer | None = None


@attrs.frozen
class RebindRequested:
    """Other ports were requested; the container is replaced."""

    attempt: int
    ports: tuple[PortBinding, ...]


@attrs.frozen
class NewImageEnsured:
    """The engine has the image for the reinstallation."""

    attempt: int


@attrs.frozen
class ReinstallBegan:
    """The process is down, and the install script runs if it is to be run."""

    attempt: int


@attrs.frozen
class NewScriptFinished:
    """The install script of the reinstallation succeeded, or none is run."""

    attempt: int


@attrs.frozen
class CandidateBuilt:
    """The new container was created as ``engine_id``, beside the old one."""

    attempt: int
    engine_id: str


@attrs.frozen
class ReplacementBegan:
    """The process is down, and the new container replaces the old one."""

    attempt: int


@attrs.frozen
class ResumptionDecided:
    """It was decided whether the process is started after the replacement."""

    attempt: int
    resume: bool


@attrs.frozen
class Replaced:
    """The new container has replaced the old one, which was removed."""

    attempt: int


@attrs.frozen
class ChangeFailed:
    """A change ended before it stopped the process; ``fault`` is ``failed`` or ``cancelled``."""

    attempt: int
    fault: str
    reason: str


@attrs.frozen
class ChangeAbandoned:
    """A change ended after the process was stopped; the container is offline and unchanged.

    ``fault`` is ``failed``, ``timeout`` or ``cancelled``.
    """

    attempt: int
    fault: str
    reason: str


@attrs.frozen
class Edited:
    """The settings were changed; those that need a new process or container take effect at the next start.

    ``image`` is the image that the next start creates a container from, None if the image was not changed;
    the fields after it are None if they were not changed. An ``install`` with an empty script means that
    there is no installer any more.
    """

    startup_command: str
    start_pattern: str | None
    environment: tuple[tuple[str, str], ...]
    stop: StopPolicy
    restart_policy: RestartPolicy
    limits: Limits
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
    query: GameQuery | None = None


@attrs.frozen
class LimitsApplied:
    """The engine applies the new limits to the container."""

    limits: Limits


@attrs.frozen
class LimitsRefused:
    """The engine refused the new limits; the previous ones, ``limits``, stay in effect."""

    limits: Limits
    reason: str


@attrs.frozen
class DeletionRequested:
    """The removal of the container began."""


@attrs.frozen
class Deleted:
    """The container was removed from the engine; its ports are free."""


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
"""The events of a change (see ``replacement``)."""

Event = (
    Created
    | Adopted
    | ImageEnsured
    | ScriptFinished
    | Installed
    | InstallationFailed
    | StartRequested
    | Rebuilt
    | Started
    | PatternSeen
    | HintGiven
    | BecameReady
    | StartFailed
    | StopRequested
    | StopTimedOut
    | KillRequested
    | Exited
    | RestartScheduled
    | RestartsGivenUp
    | RestoreScheduled
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
