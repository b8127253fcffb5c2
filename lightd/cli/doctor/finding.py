"""The findings of a check. Pure."""

from collections.abc import Callable, Iterable
from enum import Enum

import attrs


class Verdict(Enum):
    """Green, yellow, red; or not checked."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "bad"
    UNSEEN = "unseen"


@attrs.frozen
class Finding:
    """One line of the report. ``mend`` says how to fix it, empty if there is nothing to fix."""

    area: str
    name: str
    verdict: Verdict
    text: str
    mend: str = ""


Tell = Callable[[Finding], None]


@attrs.frozen
class Area:
    """Creates the findings of one area."""

    area: str

    def good(self, name: str, text: str) -> Finding:
        """No problem."""
        return Finding(self.area, name, Verdict.GOOD, text)

    def doubtful(self, name: str, text: str, mend: str) -> Finding:
        """It works, but perhaps not for long or not in every case."""
        return Finding(self.area, name, Verdict.DOUBTFUL, text, mend)

    def bad(self, name: str, text: str, mend: str) -> Finding:
        """Something does not work."""
        return Finding(self.area, name, Verdict.BAD, text, mend)

    def unseen(self, name: str, text: str, mend: str = "") -> Finding:
        """It could not be checked."""
        return Finding(self.area, name, Verdict.UNSEEN, text, mend)


def count(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """The number of findings for each verdict."""
    counted = dict.fromkeys(Verdict, 0)
    for finding in findings:
        counted[finding.verdict] += 1
    return counted
