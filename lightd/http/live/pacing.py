"""When to send the next lines of a console: at once, or after more have gathered. Pure.

A write costs the same for one line as for a hundred, and is paid for every viewer. Up to ``SLOW`` lines a
second nothing is gained by waiting. Up to ``FAST`` a person still reads along: a pause of 10 ms joins what
was printed in one go, and keeps every line well under 15 ms. Beyond that nobody reads line by line, and
25 ms make 40 writes a second of any number of lines.

For up to ``FEW`` viewers the writes cost less than reading the console does. 5 ms are less than it is read
apart (``lightd.engines.read_pause``), so what was read is sent at once.

A console that prints more than anybody could want is sent so much of it as its ``Budget`` has, and so is all
that is sent of those who do: what they are too fast for is a gap.
"""

import math

import attrs

SLOW, FAST = 20.0, 100.0
PROMPT, SHORT, LONG = 0.005, 0.010, 0.025
FEW = 4
WINDOW = 1.0
MOST = 2 * FAST * WINDOW
"""More is not remembered: a console is quick again within a second or two after a flood."""


FRAMES, FRAMES_AT_ONCE = 100.0, 500.0
"""Frames of one console that don't come alone, a second and in a burst: one frame has up to 500 lines."""
ALL, ALL_AT_ONCE = 400.0, 2000.0
"""The same for all consoles together: a tenth of a processor, or so."""
LONGEST = 1.0
"""Seconds between two looks at a console, however many others never rest."""


@attrs.define
class Budget:
    """So many frames ``a_second``, and ``at_once`` after a rest."""

    a_second: float
    at_once: float
    _spent: float = 0.0
    _at: float = -math.inf

    def spend(self, frames: int, now: float) -> float:
        """Return how long to wait after ``frames`` were sent ``now``, 0 where they were not too many."""
        self._spent = max(0.0, self._spent - (now - self._at) * self.a_second) + frames
        self._at = now
        return max(0.0, min((self._spent - self.at_once) / self.a_second, LONGEST))


@attrs.define
class Pace:
    """How fast a console is: ``_recent`` counts its newest lines, each fading over ``WINDOW`` seconds.

    ``all`` is the budget that it shares with the others.
    """

    all: Budget = attrs.field(factory=lambda: Budget(ALL, ALL_AT_ONCE))
    _own: Budget = attrs.field(factory=lambda: Budget(FRAMES, FRAMES_AT_ONCE))
    _recent: float = 0.0
    _at: float = -math.inf

    def pause(self, lines: int, now: float, frames: int = 1, viewers: int = FEW + 1) -> float:
        """Return how long to wait after ``lines`` were sent ``now`` in ``frames``, 0 where not at all."""
        if not lines:
            return 0.0
        pause, more = self._to_pause(lines, now, viewers), frames - 1
        return max(pause, self._own.spend(more, now), self.all.spend(more, now)) if more else pause

    def _to_pause(self, lines: int, now: float, viewers: int) -> float:
        recent = self._recent * math.exp((self._at - now) / WINDOW) + lines
        self._recent = min(recent, MOST)
        self._at = now
        if self._recent <= SLOW * WINDOW:
            return 0.0
        if viewers <= FEW:
            return PROMPT
        return SHORT if self._recent <= FAST * WINDOW else LONG
