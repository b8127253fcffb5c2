"""When to read a console again. Pure.

A read costs the same for one line as for a hundred. Output after a silence is read at once, and so is what
follows it; a program that goes on printing is read every ``PAUSE`` seconds, which costs a third of reading
every piece by itself, and lets the engine gather its output too. A large piece is never waited after: there
is more, and the program may be blocked by it.
"""

import math
from typing import Final

import attrs

PAUSE: Final = 0.007
SILENCE: Final = 0.012
"""Seconds between two reads from which on a console counts as silent."""
SMALL: Final = 64 * 1024


@attrs.define
class ReadPause:
    """Says of one console after each read how long to wait before the next."""

    _at: float = -math.inf

    def after(self, size: int, now: float) -> float:
        """Return the seconds to wait after ``size`` bytes were read at ``now``, 0 for not at all."""
        since, self._at = now - self._at, now
        return PAUSE if since < SILENCE and size < SMALL else 0.0
