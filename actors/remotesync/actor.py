"""Remote sync: follows the journal and sends updates to the panel, in order for each server.

1. The dispatcher reads the journal after the cursor. A record that the panel must know extends the delivery
   queue of its server, or creates one, and the cursor advances. The dispatcher never waits for the panel.
2. Each queue sends the updates of one server, one after the other. ``AT_ONCE`` queues send at the same time,
   a page each in turn. A failure that concerns one server pauses its queue; a failure that concerns the whole
   panel trips the circuit breaker.
3. A checkpoint is set after the panel has acknowledged an update, and a queue waits until the checkpoint
   before that one is saved: after a kill, at most two updates of a server are sent again.
4. An empty queue is removed in the step that finds it empty, so the dispatcher either extends it before that
   or creates a new one afterwards.
5. The panel's health is checked every ``HEALTH`` seconds. When it becomes healthy, all pauses end.

Remote sync owns no container and no container waits for it; it reads the bus like any other subscriber.
"""

import logging
from collections.abc import Callable

import attrs
import trio

from actors.kernel.bus import PAGE, Bus
from actors.kernel.ephemeral import Wake
from actors.remotesync.breaker import CircuitBreaker
from actors.remotesync.checkpoint import Checkpoints
from actors.remotesync.cursors import Cursor, CursorStore
from actors.remotesync.delivery import DeliveryQueue, Entry, read
from actors.remotesync.panel import Later, Outcome, Panel, Refused, to_pause
from actors.remotesync.status import RemoteStatus
from actors.remotesync.updates import PREFIX, Frame, to_update

logger = logging.getLogger(__name__)

NAME = "panel"
AT_ONCE = 16
TIMEOUT = 10.0
HEALTH = 30.0
SILENCE = f"no answer within {TIMEOUT:g} seconds"
WARN_EVERY = 5
"""Failures in a row of one queue after which a warning is logged; again after each further ``WARN_EVERY``."""


@attrs.define(eq=False)
class RemoteSync:
    """Sends what happens on ``node`` to ``panel``; ``run`` runs until it is cancelled.

    ``clock`` returns Unix seconds, ``chance`` a random number from 0 to 1. With ``latest``, an update is
    skipped if a newer one of the same server is pending. With ``runs``, starts and ends of processes are
    sent as well.
    """

    node: str
    panel: Panel
    bus: Bus
    cursors: CursorStore
    clock: Callable[[], float]
    chance: Callable[[], float]
    status: RemoteStatus
    latest: bool = False
    runs: bool = False
    recovered: Wake = attrs.field(factory=Wake)
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _breaker: CircuitBreaker = attrs.field(init=False)
    _begin: Cursor | None = None

    def __attrs_post_init__(self) -> None:
        self._breaker = CircuitBreaker(self.chance)

    async def run(self) -> None:
        """Send updates until cancelled. Raises ``JournalUnavailable`` if the journal cannot be read."""
        cursor = await self._load()
        pending = [
            await self._resume(server, version, cursor.position) for server, version in cursor.pending.items()
        ]
        checkpoints = Checkpoints(NAME, cursor.position, self.cursors)
        self.status.begin(checkpoints)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(checkpoints.run)
            nursery.start_soon(self._watch_health)
            for queue in pending:
                self._open(queue, checkpoints, nursery)
            await self._dispatch(checkpoints, nursery)

    async def _load(self) -> Cursor:
        """Return the saved cursor; without one, the panel receives the updates from now on."""
        cursor = await self.cursors.load(NAME)
        if cursor is None:
            self._begin = self._begin or Cursor(self.bus.head)  # the same position if the save fails
            cursor = self._begin
            await self.cursors.save(NAME, cursor.position, {})
        return cursor

    # From the journal to the queues

    async def _resume(self, server: str, version: int, position: int) -> DeliveryQueue:
        """Return the queue of a server with updates pending after ``version``, up to ``position``."""
        queue, seen = DeliveryQueue(server, version), version
        while page := await self.bus.history(PREFIX + server, seen, PAGE):
            seen = page[-1].version
            for record in page:
                if record.position <= position and to_update(record, runs=self.runs) is not None:
                    queue.extend(record)
        return queue

    async def _dispatch(self, checkpoints: Checkpoints, nursery: trio.Nursery) -> None:
        subscription = self.bus.subscribe(checkpoints.position)
        while True:
            for record in await subscription.next():
                update = to_update(record, runs=self.runs)
                if update is None:
                    continue
                queue = self.status.queues.get(update.server)
                if queue is None:
                    queue = DeliveryQueue(update.server, record.version - 1)
                    queue.checkpoint = checkpoints.set(queue.server, queue.version)
                    self._open(queue, checkpoints, nursery)
                queue.extend(record)
            checkpoints.advance(subscription.position)

    def _open(self, queue: DeliveryQueue, checkpoints: Checkpoints, nursery: trio.Nursery) -> None:
        self.status.queues[queue.server] = queue
        nursery.start_soon(self._deliver, queue, checkpoints)

    # From a queue to the panel

    async def _deliver(self, queue: DeliveryQueue, checkpoints: Checkpoints) -> None:
        """Send all updates of ``queue``, then remove it."""
        while queue.version < queue.until:
            failure = await self._send_page(queue, checkpoints)
            if failure is not None:
                queue.failures += 1
                if queue.failures % WARN_EVERY == 0:
                    logger.warning(
                        "cannot deliver an update of server %s to the panel, retrying: %s",
                        queue.server,
                        failure.reason,
                    )
                with trio.move_on_after(to_pause(queue.failures, failure.after, self.chance())):
                    await self.recovered.wait()
        del self.status.queues[queue.server]
        checkpoints.set(queue.server, None)

    async def _send_page(self, queue: DeliveryQueue, checkpoints: Checkpoints) -> Later | None:
        """Send a page of the queue; return the failure if it concerns this server alone, else None."""
        async with self._slots:
            await self._breaker.wait_closed()
            entries = await read(self.bus, queue, latest=self.latest, runs=self.runs)
            if not entries:
                queue.clear()
            for number, entry in enumerate(entries):
                queue.begin(entry)
                while queue.sent < len(entry.update.frames):
                    began = trio.current_time()
                    failure = await self._send(queue, entry)
                    if failure is not None:
                        return None if self._breaker.trip(failure, began) else failure
                queue.finish(entry, following=entries[number + 1] if number + 1 < len(entries) else None)
                before, queue.checkpoint = queue.checkpoint, checkpoints.set(queue.server, queue.version)
                await checkpoints.wait_saved(before)
        return None

    async def _send(self, queue: DeliveryQueue, entry: Entry) -> Later | None:
        """Send one frame; return the failure if it has to be sent again."""
        frame = entry.update.frames[queue.sent]
        event_id = f"{self.node}-{entry.position}" + (f".{queue.sent}" if queue.sent else "")
        outcome = await self._attempt(event_id, queue.server, frame)
        if isinstance(outcome, Later):
            self.status.last_error = outcome.reason
            return outcome
        self._breaker.record_success()
        self.status.last_ok = self.clock()
        if isinstance(outcome, Refused):
            self.status.refused += 1
            self.status.last_error = outcome.reason
            logger.warning(
                "the panel rejected update %s of server %s, it is not sent again: %s",
                event_id,
                queue.server,
                outcome.reason,
            )
        queue.sent += 1
        return None

    async def _attempt(self, event_id: str, server: str, frame: Frame) -> Outcome:
        with trio.move_on_after(TIMEOUT):
            return await self.panel.update(event_id, server, frame)
        return Later(SILENCE, panel_wide=True)

    # The panel's health

    async def _watch_health(self) -> None:
        while True:
            began = trio.current_time()
            reason: str | None = SILENCE
            with trio.move_on_after(TIMEOUT):
                reason = await self.panel.health()
            self._note_health(reason)
            await trio.sleep_until(began + HEALTH)

    def _note_health(self, reason: str | None) -> None:
        before, self.status.healthy = self.status.healthy, reason is None
        if reason is None:
            self.status.last_ok = self.clock()
        else:
            self.status.last_error = reason
        if before is self.status.healthy:
            return
        if reason is None:
            logger.info("the panel is healthy; pending updates: %d", self.status.backlog)
            self._breaker.close()
            self.recovered.notify()
        else:
            logger.warning("the panel is not healthy: %s", reason)
