"""One log line for each start, stop, exit and crash of a container, and for what failed.

A container has ``BURST`` lines, and then one every ``PAUSE`` seconds: a server that crashes in a loop fills
no disk. The number of lines that were left out is the field ``left_out`` of the next line of that container.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.container import events
from actors.kernel.bus import Bus, Subscription
from actors.kernel.journal import JournalUnavailable, Recorded
from actors.kernel.supervisor import Supervisor

logger = logging.getLogger("lightd.container")

PREFIX: Final = "container-"
BURST: Final = 20
PAUSE: Final = 30.0
REMEMBERED: Final = 4096
"""Containers whose lines are counted; the one that was silent longest is forgotten first."""


@asynccontextmanager
async def open_states_log(bus: Bus, supervisor: Supervisor) -> AsyncIterator[None]:
    """Log what is recorded from now on, while the context is open."""
    work = partial(_log_states, bus.subscribe(bus.head), Limits())
    supervisor.start("log of containers", work, outages=(JournalUnavailable,))
    yield


async def _log_states(subscription: Subscription, limits: "Limits") -> None:
    while True:
        for record in await subscription.next():
            found = to_line(record)
            if found is not None:
                limits.log(record, *found)


def to_line(record: Recorded) -> tuple[int, str, tuple[Any, ...]] | None:
    """Return level, message and further arguments of the line for ``record``, None if it has none. Pure.

    The first argument of the message is the id of the container.
    """
    match record.event:
        case events.StartRequested():
            return logging.INFO, "container %s is being started", ()
        case events.BecameReady():
            return logging.INFO, "container %s is running", ()
        case events.FoundRunning():
            return logging.INFO, "container %s was found running", ()
        case events.StartFailed(reason=reason):
            return logging.WARNING, "container %s could not be started: %s", (reason,)
        case events.StopRequested():
            return logging.INFO, "container %s is being stopped", ()
        case events.StopTimedOut():
            return logging.WARNING, "container %s did not stop in time and is killed", ()
        case events.KillRequested():
            return logging.INFO, "container %s is being killed", ()
        case events.Exited(expected=True) as ended:
            return logging.INFO, "container %s exited (%s)", (_to_code(ended),)
        case events.Exited() as ended:
            return logging.WARNING, "container %s crashed (%s): %s", (_to_code(ended), ended.reason)
        case events.RestartScheduled(delay=delay):
            return logging.INFO, "container %s is restarted in %g seconds", (delay,)
        case events.RestartsGivenUp(reason=reason):
            return logging.WARNING, "container %s is not restarted: %s", (reason,)
        case events.Installed():
            return logging.INFO, "container %s is installed", ()
        case events.InstallationFailed(reason=reason):
            return logging.WARNING, "the installation of container %s failed: %s", (reason,)
        case events.ChangeFailed(reason=reason) | events.ChangeAbandoned(reason=reason):
            return logging.WARNING, "the change of container %s failed: %s", (reason,)
        case events.Deleted():
            return logging.INFO, "container %s was deleted", ()
        case _:
            return None


def _to_code(ended: events.Exited) -> str:
    return "exit code unknown" if ended.code is None else f"exit code {ended.code}"


@attrs.define(eq=False)
class Limits:
    """Counts the lines of each container: when it has all its lines again, and how many are left out."""

    _clock: Callable[[], float] = trio.current_time
    _paid: OrderedDict[str, tuple[float, int]] = attrs.field(factory=OrderedDict)

    def log(self, record: Recorded, level: int, message: str, arguments: tuple[Any, ...]) -> None:
        """Write the line, unless the container has used up its lines."""
        internal_id, now = record.stream.removeprefix(PREFIX), self._clock()
        paid, left_out = self._paid.pop(internal_id, (now, 0))
        paid = max(paid, now) + PAUSE
        fits = paid - now <= BURST * PAUSE
        self._paid[internal_id] = (paid, 0) if fits else (paid - PAUSE, left_out + 1)
        if len(self._paid) > REMEMBERED:
            self._paid.popitem(last=False)
        if fits:
            extra: dict[str, object] = {"seq": record.position}
            if left_out:
                extra["left_out"] = left_out
            if record.cause is not None:
                extra["operation_id"] = record.cause
            logger.log(level, message, internal_id, *arguments, extra=extra)
