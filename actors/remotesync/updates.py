"""What the panel is told of which event. Pure.

Another event that the panel should hear of is one more row in ``STATUSES``.
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
    """Why it failed: ``error`` is ``failed``, ``timeout`` or another word, ``reason`` a sentence."""

    error: str
    reason: str


Frame = Status | Fault


@attrs.frozen
class Update:
    """What one event has the panel told, frame by frame, in this order."""

    server: str
    frames: tuple[Frame, ...]


@runtime_checkable
class Failure(Protocol):
    """An event that says why something failed."""

    @property
    def fault(self) -> str:
        """One word."""

    @property
    def reason(self) -> str:
        """One sentence."""


STATUSES: Mapping[type, Status] = MappingProxyType(
    {
        events.Created: Status("installing"),
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
"""The events that the panel hears of. One that is a ``Failure`` has its reason told too."""


def to_update(recorded: Recorded) -> Update | None:
    """Return what the panel is told of this record, None where it is none of its business."""
    status = STATUSES.get(type(recorded.event))
    if isinstance(recorded.event, Condensed) and recorded.event.state.stage is not Stage.GONE:
        status = Status(recorded.event.state.install_state)  # what all that it stands for led to
    if status is None:
        return None
    server = recorded.stream.removeprefix(PREFIX)
    if isinstance(recorded.event, Failure):
        return Update(server, (status, Fault(recorded.event.fault, recorded.event.reason)))
    return Update(server, (status,))
