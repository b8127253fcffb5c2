"""When to send the next lines of a console: at once, or after more have gathered. Pure.

A write costs the same for one line as for a hundred, and is paid for every viewer. Up to ``SLOW`` lines a
second nothing is gained by waiting. Up to ``FAST`` a person still reads along: a pause of 10 ms joins what
was printed in one go, and keeps every line well under 15 ms. Beyond that nobody reads line by line, and
25 ms make 40 writes a second of any number of lines.
"""

import math

import attrs

SLOW, FAST = 20.0, 100.0
SHORT, LONG = 0.010, 0.025
WINDOW = 1.0
MOST = 2 * FAST * WINDOW
"""More is not remembered: a console is quick again within a second or two after a flood."""


@attrs.define
class Pace:
    """How fast a console is: ``_recent`` counts its newest lines, each fading over ``WINDOW`` seconds."""

    _recent: float = 0.0
    _at: float = -math.inf

    def pause(self, lines: int, now: float) -> float:
        """Return how long to wait after ``lines`` were sent ``now``, 0 where not at all."""
        if not lines:
            return 0.0
        recent = self._recent * math.exp((self._at - now) / WINDOW) + lines
        self._recent = min(recent, MOST)
        self._at = now
        if self._recent <= SLOW * WINDOW:
            return 0.0
        return SHORT if self._recent <= FAST * WINDOW else LONG
