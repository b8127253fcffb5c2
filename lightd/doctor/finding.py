"""What a look at a node finds. Pure."""

from collections.abc import Callable, Iterable
from enum import Enum

import attrs


class Verdict(Enum):
    """Green, yellow, red; or nobody could look, which is none of them."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "bad"
    UNSEEN = "unseen"


@attrs.frozen
class Finding:
    """One line of the report. ``mend`` is the command or the key that puts it right, empty where it is."""

    area: str
    name: str
    verdict: Verdict
    text: str
    mend: str = ""


Tell = Callable[[Finding], None]


@attrs.frozen
class Area:
    """Makes the findings of one area."""

    area: str

    def good(self, name: str, text: str) -> Finding:
        """It is as it should be."""
        return Finding(self.area, name, Verdict.GOOD, text)

    def doubtful(self, name: str, text: str, mend: str) -> Finding:
        """It works, and may not for long or not for everybody."""
        return Finding(self.area, name, Verdict.DOUBTFUL, text, mend)

    def bad(self, name: str, text: str, mend: str) -> Finding:
        """Something that lightd is for does not work."""
        return Finding(self.area, name, Verdict.BAD, text, mend)

    def unseen(self, name: str, text: str, mend: str = "") -> Finding:
        """It could not be looked at."""
        return Finding(self.area, name, Verdict.UNSEEN, text, mend)


def count(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """How many findings there are of each verdict."""
    counted = dict.fromkeys(Verdict, 0)
    for finding in findings:
        counted[finding.verdict] += 1
    return counted
