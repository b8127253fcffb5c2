"""Puts the output of one process on the console: each line once, over any number of attachments.

An attachment delivers what is printed after it was opened, without times and perhaps from the middle of
a line. Earlier output is in the engine's log. So a process that may have printed already is read in this
order: attach, read the log (``make_up``), read the stream (``take``). The log overlaps both the console and
the stream, and ``merge`` finds where.

The first line that the stream completes settles the second joint. If it repeats the log's last lines, they
are left out, unless it comes so late that it must be a new one. Else it is looked up in the log again: its
head may have been printed before the attachment, and a line that the engine took down late may stand before
it.

If the log does not reach back to what is on the console, lines are lost, and a line on the console says so.
"""

from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio

from actors.container.console.console import Console
from actors.container.console.lines import Block, join, to_block
from actors.container.console.log import to_time
from actors.container.console.merge import LogLine, find_begin, find_end, to_log_lines
from actors.container.engine import Backlog, Engine, EngineUnavailable, Missing

OVERLAP: Final = 2.0
"""Seconds before the last reading from which the log is read, so that it repeats something."""

EARLY: Final = 0.001
"""Seconds by which the engine's clock may be behind ours."""

WAITING: Final = 0.03
"""Seconds after the log was read within which an idle stream delivers what it repeats of the log."""

HELD: Final = 1000
"""Lines of the stream that are compared with the log, or one more than the log has if that is more."""

SETTLING: Final = 2.0
LOOKS: Final = (0.0, 0.01, 0.02, 0.05, 0.1)
LOST: Final = "[lightd] output is missing here: the engine's log doesn't reach back far enough"


@attrs.define(eq=False)
class Reader:
    """Reads one life of a process; ``life`` names it, and no other one ever."""

    engine: Engine
    console: Console
    engine_id: str
    life: str
    clock: Callable[[], float]
    _since: float = 0.0
    _made_up_at: float = 0.0
    _logged: Sequence[str] | None = None
    _held: list[str] = attrs.field(factory=list)
    _start: int = 0
    _compared: int = 0

    def begin(self) -> None:
        """Read the stream from its first byte: the process is started after the attachment."""
        self.console.begin(self.life)
        self._logged = None

    async def make_up(self, started_at: float, asked_at: float) -> list[str]:
        """Put on the console what was printed before the attachment, which was asked for at ``asked_at``.

        Returns these lines. Raises ``EngineUnavailable`` or ``Missing``.
        """
        console = self.console
        console.begin(self.life)
        self._held, console.held = [], False
        kept, read_at = console.of_this_life, console.read_at or 0.0
        backlog = await self._backlog(started_at, read_at - OVERLAP if kept else started_at)
        logged, index = await self._lay_over(kept, backlog, read_at)
        if index is None and self._since > started_at:
            backlog = await self._backlog(started_at, started_at)
            logged, index = await self._lay_over(kept, backlog, read_at)
        new = list(logged[index or 0 :])
        if (index is None and logged) or (not kept and backlog.cut):
            new.insert(0, LogLine(new[0].at if new else self.clock(), LOST))
        lines = [each.text for each in new]
        head = console.take_unfinished()
        console.head = "" if lines else head  # if its end came, it is in the log
        self._logged = [each.text for each in logged if each.at >= asked_at - EARLY]
        self._start = self._compared = 0
        console.append(lines, [to_time(each.at) for each in new])
        console.read_at = self._made_up_at = self.clock()
        return lines

    async def take(self, chunk: bytes) -> Block:
        """Put on the console what the stream logged, and return the lines that it completed."""
        block = await self.console.turns.run(self.console.split(chunk))
        if self._logged is not None and block.count:
            most = max(len(self._logged) + 1, HELD)
            lines, rest = block.split(most - len(self._held))
            self._held += lines
            block = join([to_block(await self._settle(self._logged)), rest])
            self.console.held = bool(self._held)
        self._put(block)
        return block

    def end(self) -> None:
        """Put the rest on the console, at the end of the output."""
        if self._held:
            self._held[0] = self.console.head + self._held[0]
            self.console.head = ""
        self._put(to_block(self._held))
        self._held = []
        self.console.finish()

    async def _lay_over(
        self, kept: Sequence[str], backlog: Backlog, read_at: float
    ) -> tuple[Sequence[LogLine], int | None]:
        """Return the lines of the log, and from which on they are not kept; see ``find_end``."""
        turns = self.console.turns
        logged = await turns.run(to_log_lines(backlog))
        return logged, await turns.run(find_end(kept, logged, read_at))

    async def _settle(self, logged: Sequence[str]) -> list[str]:
        """Return what is new of the stream's first lines; nothing yet where more of them must be seen."""
        repeated = await self._count_repeated(logged)
        if repeated > len(self._held):
            return []
        live, self._held, self._logged = self._held, [], None
        lines = live[repeated:]
        if not repeated:
            lines = await self._complete(live) or [self.console.head + live[0], *live[1:]]
        elif self.clock() - self._made_up_at > WAITING:  # what it repeats would have been there at once
            lines = await self._complete(live) or lines
        self.console.head = ""
        return lines

    async def _count_repeated(self, logged: Sequence[str]) -> int:
        """Return how many last lines of ``logged`` the stream begins with; perhaps more than have come."""
        held, known, self._compared = self._held, self._compared, len(self._held)
        goes_on = logged[self._start + known : self._start + len(held)]
        if not known or goes_on != held[known : known + len(goes_on)]:  # else only what is new is compared
            found = await self.console.turns.run(find_begin(logged, held))
            self._start = len(logged) if found is None else found
        return len(logged) - self._start

    async def _complete(self, live: list[str]) -> list[str]:
        """Return the stream's first lines, the first one whole, and what was printed just before them.

        Nothing where the log has no new line that is the first of them.
        """
        with trio.move_on_after(SETTLING):
            for seconds in LOOKS:
                await trio.sleep(seconds)
                try:
                    late = await self._look_up()
                except (EngineUnavailable, Missing):
                    break
                index = await self.console.turns.run(find_begin(late, live))
                if index is not None:
                    return [*late[: index + 1], *live[1:]]
        return []

    async def _look_up(self) -> Sequence[str]:
        """Return the lines of the log that are not on the console yet."""
        backlog = await self.engine.backlog(self.engine_id, self._since)
        kept, read_at = self.console.of_this_life, self.console.read_at or 0.0
        logged, index = await self._lay_over(kept, backlog, read_at)
        return [] if index is None else [each.text for each in logged[index:]]

    async def _backlog(self, started_at: float, since: float) -> Backlog:
        self._since = max(started_at, since)
        return await self.engine.backlog(self.engine_id, self._since)

    def _put(self, block: Block) -> None:
        self.console.read_at = self.clock()
        self.console.put(block, to_time(self.console.read_at))
