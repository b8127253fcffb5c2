"""How much is tried by tests that find more the more they try: little in the gate, a lot in ``nox -s soak``.

``LIGHTD_SOAK`` is how many times as much. Such a test has the mark ``soak``.
"""

import os

FACTOR = int(os.environ.get("LIGHTD_SOAK", "1"))


def times(number: int) -> int:
    """Return how many examples, seeds or seconds the test gets that has ``number`` in the gate."""
    return number * FACTOR
