"""The report: a line for each finding, the same as JSON, and the exit code. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from lightd.cli.commands import screen
from lightd.cli.doctor.finding import Finding, Verdict, count

COLOURS: Final = {
    Verdict.GOOD: "\x1b[32m",
    Verdict.DOUBTFUL: "\x1b[33m",
    Verdict.BAD: "\x1b[31m",
    Verdict.UNSEEN: "\x1b[2m",
}
WORDS: Final = {
    Verdict.GOOD: "green",
    Verdict.DOUBTFUL: "yellow",
    Verdict.BAD: "red",
    Verdict.UNSEEN: "not checked",
}


def to_code(findings: Iterable[Finding]) -> int:
    """1 if a finding is red, else 0."""
    return int(count(findings)[Verdict.BAD] > 0)


def to_lines(findings: Sequence[Finding], *, colours: bool) -> list[str]:
    """A line for each finding, with the fix after an arrow, and a line with the counts."""
    lines = []
    for finding in findings:
        word = f"{finding.verdict.value:7}"
        head = f"{COLOURS[finding.verdict]}{word}{screen.RESET}" if colours else word
        mend = f"  -> {screen.to_name(finding.mend)}" if finding.mend else ""
        lines.append(f"{head}  {finding.area:13}  {screen.to_name(finding.text)}{mend}")
    counted = count(findings)
    told = ", ".join(f"{counted[verdict]} {word}" for verdict, word in WORDS.items() if counted[verdict])
    return [*lines, told]


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "healthy": not to_code(findings),
        "counts": {verdict.value: number for verdict, number in count(findings).items()},
        "findings": [{**attrs.asdict(finding), "verdict": finding.verdict.value} for finding in findings],
    }
