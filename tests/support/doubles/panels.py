"""A panel for simulations: it answers as a test has it answer, in virtual time, and remembers what it got."""

from collections import defaultdict
from collections.abc import Awaitable, Callable

import attrs
import trio

from actors.remotesync.panel import Accepted, Later, Outcome
from actors.remotesync.updates import Frame

DOWN = Later("connection refused", panel_wide=True)
BROKEN = Later("it answers 500")


@attrs.frozen
class Told:
    """One frame that the panel has accepted."""

    at: float
    event_id: str
    server: str
    frame: Frame

    @property
    def position(self) -> float:
        return float(self.event_id.rpartition("-")[2])


async def accept(_event_id: str, _server: str) -> Outcome:
    return Accepted()


@attrs.define(eq=False)
class FakePanel:
    """``answer`` decides what becomes of an update, ``unwell`` is what is wrong with its health."""

    answer: Callable[[str, str], Awaitable[Outcome]] = accept
    unwell: str | None = None
    deaf: bool = False
    began: float = attrs.field(factory=trio.current_time)
    attempts: list[tuple[float, str]] = attrs.field(factory=list)
    accepted: list[Told] = attrs.field(factory=list)
    looks: list[float] = attrs.field(factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def now(self) -> float:
        """Seconds since it was made."""
        return trio.current_time() - self.began

    async def update(self, event_id, server, frame):
        self.attempts.append((self.now, server))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.lowlevel.checkpoint()
            outcome = await self.answer(event_id, server)
        finally:
            self.at_once -= 1
        if isinstance(outcome, Accepted):
            self.accepted.append(Told(self.now, event_id, server, frame))
        return outcome

    async def health(self):
        self.looks.append(self.now)
        if self.deaf:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self.unwell

    def by_server(self):
        """What each server's updates were, in the order in which they were accepted."""
        found = defaultdict(list)
        for told in self.accepted:
            found[told.server].append(told)
        return found
