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


Frame = Status | Fault


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


def to_update(recorded: Recorded) -> Update | None:
    """Return the update for the panel that ``recorded`` leads to, None if it leads to none."""
    status = STATUSES.get(type(recorded.event))
    if isinstance(recorded.event, Condensed) and recorded.event.state.stage is not Stage.GONE:
        status = Status(recorded.event.state.install_state)  # that of the records it stands for
    if status is None:
        return None
    server = recorded.stream.removeprefix(PREFIX)
    if isinstance(recorded.event, Failure):
        return Update(server, (status, Fault(recorded.event.fault, recorded.event.reason)))
    return Update(server, (status,))
