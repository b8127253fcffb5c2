"""How long to wait before the next attempt. Pure; the chance in it is handed in."""

FIRST = 1.0
LONGEST = 60.0
LONGEST_ASKED = 300.0
"""The longest pause that the panel may ask for, in seconds; a longer one is cut down to this."""


def to_pause(failures: int, asked: float | None, chance: float) -> float:
    """Return the seconds until the next attempt after so many in a row that failed.

    What the panel ``asked`` for is kept, within bounds. Else it is a second, doubled with each failure up to
    a minute, of which ``chance``, from 0 to 1, takes away up to a half: so those who failed together don't
    come back together.
    """
    if asked is not None:
        return min(max(asked, 0.0), LONGEST_ASKED) + chance
    return min(FIRST * 2.0 ** min(failures - 1, 16), LONGEST) * (1 - chance / 2)
