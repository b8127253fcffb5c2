"""Remote sync: a follower of the journal that tells the panel, in order for each server, until it has it.

1. The dispatcher reads the journal behind the mark. A record that the panel is to hear of extends the lane of
   its server, or opens one, and the mark moves on: nobody waits here, however far the panel is behind.
2. Each lane tells its own server's updates one after the other. ``AT_ONCE`` lanes do so at a time, each a
   page in turn. Trouble of one server's own makes its lane pause; trouble that is everybody's shuts the gate.
3. What the panel has is noted after its word that it has it, and a lane goes on to the next but one only when
   that is saved: after a kill at most two updates of a server are told again.
4. A lane that has nothing left is gone, in the same step in which that is seen, so that the dispatcher either
   extends it before or opens a new one after.
5. The panel's health is looked at every ``HEALTH`` seconds. When it turns well nobody pauses any longer.

It owns no container and no container waits for it: it reads the bus like any other follower.
"""

import logging
from collections.abc import Callable

import attrs
import trio

from actors.kernel.bus import PAGE, Bus
from actors.kernel.ephemeral import Wake
from actors.remotesync.breaker import Gate
from actors.remotesync.checkpoint import Checkpoints
from actors.remotesync.cursors import Cursor, Cursors
from actors.remotesync.delivery import DeliveryQueue, Entry, read
from actors.remotesync.panel import Later, Outcome, Panel, Refused, to_pause
from actors.remotesync.updates import PREFIX, Frame, to_update

logger = logging.getLogger(__name__)

NAME = "panel"
AT_ONCE = 16
TIMEOUT = 10.0
HEALTH = 30.0
SILENCE = f"no answer within {TIMEOUT:g} seconds"
LOUD = 5
"""Failures in a row of one lane after which it is worth a warning; and every so many again."""


@attrs.define(eq=False)
class RemoteStatus:
    """What is known of the panel, through all times that it was enabled. Times are Unix seconds.

    ``healthy`` is None before the first look, ``refused`` counts updates that the panel would never take.
    """

    healthy: bool | None = None
    last_ok: float | None = None
    last_error: str | None = None
    refused: int = 0
    lanes: dict[str, DeliveryQueue] = attrs.field(factory=dict)
    ledger: Checkpoints | None = None

    def begin(self, ledger: Checkpoints) -> None:
        """Know nothing but how far ``checkpoint`` is: it is another life, perhaps another panel."""
        self.healthy = None
        self.ledger = ledger
        self.lanes.clear()

    @property
    def backlog(self) -> int:
        """How many updates wait."""
        return sum(lane.waiting for lane in self.lanes.values())

    @property
    def oldest_pending_at(self) -> float | None:
        """When the oldest update that waits was recorded, None where none waits."""
        return min((lane.oldest_at for lane in self.lanes.values()), default=None)

    @property
    def cursor(self) -> int | None:
        """The position up to which all is done, but for the lanes; None before it was ever enabled."""
        return None if self.ledger is None else self.ledger.mark


@attrs.define(eq=False)
class RemoteSync:
    """Tells ``panel`` what happens on ``node``. ``run`` does so until it is cancelled.

    ``clock`` returns Unix seconds, ``chance`` a random number from 0 to 1. With ``latest`` an update is left
    out when a newer one of the same server waits behind it.
    """

    node: str
    panel: Panel
    bus: Bus
    cursors: Cursors
    clock: Callable[[], float]
    chance: Callable[[], float]
    standing: RemoteStatus
    latest: bool = False
    recovered: Wake = attrs.field(factory=Wake)
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _gate: Gate = attrs.field(init=False)
    _begin: Cursor | None = None

    def __attrs_post_init__(self) -> None:
        self._gate = Gate(self.chance)

    async def run(self) -> None:
        """Tell the panel for ever. Raises ``JournalUnavailable`` where the journal can't be read."""
        cursor = await self._load()
        lagging = [await self._resume(server, done, cursor.mark) for server, done in cursor.lagging.items()]
        ledger = Checkpoints(NAME, cursor.mark, self.cursors)
        self.standing.begin(ledger)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.run)
            nursery.start_soon(self._watch_health)
            for lane in lagging:
                self._open(lane, ledger, nursery)
            await self._dispatch(ledger, nursery)

    async def _load(self) -> Cursor:
        """Return where to go on; where nothing was ever told, the panel hears of what comes from now on."""
        cursor = await self.cursors.load(NAME)
        if cursor is None:
            self._begin = self._begin or Cursor(self.bus.head)  # not later, though it can't be saved now
            cursor = self._begin
            await self.cursors.save(NAME, cursor.mark, {})
        return cursor

    # From the journal to the lanes

    async def _resume(self, server: str, done: int, mark: int) -> DeliveryQueue:
        """Return the lane of a server that lagged behind ``mark``, with all that waits in it counted."""
        lane, seen = DeliveryQueue(server, done), done
        while page := await self.bus.history(PREFIX + server, seen, PAGE):
            seen = page[-1].version
            for record in page:
                if record.position <= mark and to_update(record) is not None:
                    lane.extend(record)
        return lane

    async def _dispatch(self, ledger: Checkpoints, nursery: trio.Nursery) -> None:
        subscription = self.bus.subscribe(ledger.mark)
        while True:
            for record in await subscription.next():
                update = to_update(record)
                if update is None:
                    continue
                lane = self.standing.lanes.get(update.server)
                if lane is None:
                    lane = DeliveryQueue(update.server, record.version - 1)
                    lane.note = ledger.note(lane.server, lane.version)
                    self._open(lane, ledger, nursery)
                lane.extend(record)
            ledger.advance(subscription.position)

    def _open(self, lane: DeliveryQueue, ledger: Checkpoints, nursery: trio.Nursery) -> None:
        self.standing.lanes[lane.server] = lane
        nursery.start_soon(self._run_lane, lane, ledger)

    # From a lane to the panel

    async def _run_lane(self, lane: DeliveryQueue, ledger: Checkpoints) -> None:
        while lane.version < lane.until:
            trouble = await self._take_turn(lane, ledger)
            if trouble is not None:
                lane.failures += 1
                if lane.failures % LOUD == 0:
                    logger.warning("the panel does not take an update of %s: %s", lane.server, trouble.reason)
                with trio.move_on_after(to_pause(lane.failures, trouble.after, self.chance())):
                    await self.recovered.wait()
        del self.standing.lanes[lane.server]
        ledger.note(lane.server, None)

    async def _take_turn(self, lane: DeliveryQueue, ledger: Checkpoints) -> Later | None:
        """Tell a page of the lane; return the trouble that is its own alone, None where there was none."""
        async with self._slots:
            await self._gate.wait()
            entries = await read(self.bus, lane, latest=self.latest)
            if not entries:
                lane.give_up()
            for number, entry in enumerate(entries):
                lane.begin(entry)
                while lane.told < len(entry.update.frames):
                    began = trio.current_time()
                    trouble = await self._tell(lane, entry)
                    if trouble is not None:
                        return None if self._gate.shut(trouble, began) else trouble
                lane.finish(entry, following=entries[number + 1] if number + 1 < len(entries) else None)
                before, lane.note = lane.note, ledger.note(lane.server, lane.version)
                await ledger.wait_saved(before)
        return None

    async def _tell(self, lane: DeliveryQueue, entry: Entry) -> Later | None:
        """Tell one frame; return the trouble where the panel doesn't have it yet."""
        frame = entry.update.frames[lane.told]
        event_id = f"{self.node}-{entry.position}" + (f".{lane.told}" if lane.told else "")
        outcome = await self._attempt(event_id, lane.server, frame)
        if isinstance(outcome, Later):
            self.standing.last_error = outcome.reason
            return outcome
        self._gate.passed()
        self.standing.last_ok = self.clock()
        if isinstance(outcome, Refused):
            self.standing.refused += 1
            self.standing.last_error = outcome.reason
            logger.warning("the panel refuses update %s of %s: %s", event_id, lane.server, outcome.reason)
        lane.told += 1
        return None

    async def _attempt(self, event_id: str, server: str, frame: Frame) -> Outcome:
        with trio.move_on_after(TIMEOUT):
            return await self.panel.update(event_id, server, frame)
        return Later(SILENCE, everybody=True)

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
        before, self.standing.healthy = self.standing.healthy, reason is None
        if reason is None:
            self.standing.last_ok = self.clock()
        else:
            self.standing.last_error = reason
        if before is self.standing.healthy:
            return
        if reason is None:
            logger.info("the panel is well; %d updates wait for it", self.standing.backlog)
            self._gate.open()
            self.recovered.notify()
        else:
            logger.warning("the panel is not well: %s", reason)
