"""The delay before the next attempt at something that failed: exponential back-off. Pure."""

import attrs


@attrs.frozen
class Backoff:
    """Delays in seconds: ``first`` after one failure, then doubled with each, up to ``longest``.

    ``jitter`` are the factors by which a delay is multiplied at chance 0 and at chance 1, so that clients
    that failed at the same time do not all come back at the same time.
    """

    first: float
    longest: float
    jitter: tuple[float, float] = (1.0, 1.0)

    def delay(self, failures: int, chance: float = 0.0) -> float:
        """Return the delay after ``failures`` in a row, at least 1; ``chance`` is a number from 0 to 1."""
        low, high = self.jitter
        doubled = self.first * 2.0 ** min(failures - 1, 64)
        return min(doubled, self.longest) * (low + (high - low) * chance)
