"""What happened to a container that is made anew, or is to be something else. Names on disk are for ever.

See ``changes`` and ``editing``. These are events as those in ``events``.
"""

import attrs

from actors.container.spec import Limits, PortBinding, RestartPolicy, StopPolicy


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
