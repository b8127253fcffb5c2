"""Which events lead to an update for the panel. Pure.

A further event that the panel should know is one more row in ``STATUSES``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import attrs

from actors.container import events
from actors.container.condensed import Condensed
from actors.container.state import Stage
from actors.kernel.journal import Recorded

PREFIX = "container-"  # of the streams of containers, as the fleet names them


@attrs.frozen
class Status:
    """The server is ``installing``, ``ready`` or ``failed``."""

    status: str


@attrs.frozen
class Fault:
    """Why it failed: ``error`` is ``failed``, ``timeout`` or another slug, ``reason`` a sentence."""

    error: str
    reason: str


@attrs.frozen
class Run:
    """The process was started or has ended: ``event`` is ``start``, ``stop`` or ``crash``.

    ``at`` is in Unix seconds. ``code`` is None if it is unknown; ``reason`` is a sentence, and empty for an
    end that was requested.
    """

    event: str
    at: float
    code: int | None = None
    oom_killed: bool = False
    reason: str = ""


Frame = Status | Fault | Run


@attrs.frozen
class Update:
    """The frames that one event leads to, in the order in which they are sent."""

    server: str
    frames: tuple[Frame, ...]


@runtime_checkable
class Failure(Protocol):
    """An event that says why something failed."""

    @property
    def fault(self) -> str:
        """A slug."""

    @property
    def reason(self) -> str:
        """A sentence."""


STATUSES: Mapping[type, Status] = MappingProxyType(
    {
        events.Created: Status("installing"),
        events.Adopted: Status("ready"),
        events.ScriptFinished: Status("installing"),  # its container is being created
        events.Installed: Status("ready"),
        events.InstallationFailed: Status("failed"),
        events.InstallationRepeated: Status("installing"),
        events.ReinstallBegan: Status("installing"),
        events.NewScriptFinished: Status("installing"),
        events.Replaced: Status("ready"),
        events.ChangeAbandoned: Status("failed"),
    }
)
"""The events that lead to an update. For a ``Failure`` its reason is sent as well."""


def to_update(recorded: Recorded, *, runs: bool = False) -> Update | None:
    """Return the update for the panel that ``recorded`` leads to, None if it leads to none.

    Starts and ends of processes lead to one only with ``runs``.
    """
    if runs and (run := _to_run(recorded)) is not None:
        return Update(recorded.stream.removeprefix(PREFIX), (run,))
    status = STATUSES.get(type(recorded.event))
    if isinstance(recorded.event, Condensed) and recorded.event.state.stage is not Stage.GONE:
        status = Status(recorded.event.state.install_state)  # that of the records it stands for
    if status is None:
        return None
    server = recorded.stream.removeprefix(PREFIX)
    if isinstance(recorded.event, Failure):
        return Update(server, (status, Fault(recorded.event.fault, recorded.event.reason)))
    return Update(server, (status,))


def _to_run(recorded: Recorded) -> Run | None:
    match recorded.event:
        case events.Started() | events.FoundRunning():
            return Run("start", recorded.at)
        case events.Exited() as ended:
            event = "stop" if ended.expected else "crash"
            return Run(event, recorded.at, ended.code, ended.oom_killed, ended.reason)
        case events.StartFailed(reason=reason):
            return Run("crash" if recorded.cause is None else "stop", recorded.at, reason=reason)
        case _:
            return None
