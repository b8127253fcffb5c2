"""When the next lines of a console are sent: at once, or after more have arrived. Pure.

A write costs the same for one line as for a hundred, and is paid for each viewer. Up to ``SLOW`` lines a
second waiting saves nothing. Up to ``FAST`` a person can still read along: a pause of 10 ms joins what was
printed at once, and delays every line by less than 15 ms. Beyond that nobody reads line by line, and 25 ms
make 40 writes a second of any number of lines.

For up to ``FEW`` viewers the writes cost less than reading the console does. 5 ms are less than the time
between two reads (``lightd.engines.read_pause``), so what was read is sent at once. Lines that no viewer is
sent (``frames`` is 0) can wait.

A console that prints too fast is sent as far as its ``Budget`` allows, and all such consoles together as
far as theirs. The rest is a gap.
"""

import math

import attrs

SLOW, FAST = 20.0, 100.0
PROMPT, SHORT, LONG = 0.005, 0.010, 0.025
FEW = 4
WINDOW = 1.0
MOST = 2 * FAST * WINDOW
"""The maximum count: a console is sent at once again a second or two after a flood."""

FRAMES, FRAMES_AT_ONCE = 100.0, 500.0
"""Frames of one console beyond one per poll, per second and in a burst; a frame has up to 500 lines."""
ALL, ALL_AT_ONCE = 400.0, 2000.0
"""The same for all consoles together: about a tenth of a processor."""
LONGEST = 1.0
"""The longest pause in seconds, however many other consoles print."""


@attrs.define
class Budget:
    """``a_second`` frames, and ``at_once`` in a burst."""

    a_second: float
    at_once: float
    _spent: float = 0.0
    _at: float = -math.inf

    def spend(self, frames: int, now: float) -> float:
        """Return the seconds to wait after ``frames`` were sent ``now``; 0 within the budget."""
        self._spent = max(0.0, self._spent - (now - self._at) * self.a_second) + frames
        self._at = now
        return max(0.0, min((self._spent - self.at_once) / self.a_second, LONGEST))


@attrs.define
class Pace:
    """The rate of a console: ``_recent`` counts its newest lines, each decaying over ``WINDOW`` seconds.

    ``all`` is the budget that it shares with the other consoles.
    """

    all: Budget = attrs.field(factory=lambda: Budget(ALL, ALL_AT_ONCE))
    _own: Budget = attrs.field(factory=lambda: Budget(FRAMES, FRAMES_AT_ONCE))
    _recent: float = 0.0
    _at: float = -math.inf

    def pause(self, lines: int, now: float, frames: int = 1, viewers: int = FEW + 1) -> float:
        """Return the seconds to wait after ``lines`` were sent ``now`` in ``frames``."""
        if not lines:
            return 0.0
        pause, more = self._to_pause(lines, now, few=frames > 0 and viewers <= FEW), max(frames - 1, 0)
        return max(pause, self._own.spend(more, now), self.all.spend(more, now)) if more else pause

    def _to_pause(self, lines: int, now: float, *, few: bool) -> float:
        recent = self._recent * math.exp((self._at - now) / WINDOW) + lines
        self._recent = min(recent, MOST)
        self._at = now
        if self._recent <= SLOW * WINDOW:
            return 0.0
        if few:
            return PROMPT
        return SHORT if self._recent <= FAST * WINDOW else LONG
