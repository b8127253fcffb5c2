"""The last lines of a test run: how long its parts took, what failed in them and why, how many did not."""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

LINES, LENGTH = 15, 300  # of a failure, from its end: where a test broke, not the way there


def suites(results: Path) -> Iterator[tuple[str, ET.Element]]:
    """Go through all that the JUnit files in a directory tell of, each with the name of its session."""
    for report in sorted(results.glob("*.xml")):
        for suite in ET.parse(report).getroot().iter("testsuite"):
            yield report.stem, suite


def count(results: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests."""
    total = failed = skipped = 0
    for _, suite in suites(results):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def failures(results: Path) -> Iterator[str]:
    """Tell of each failed test: which one, in which session, and the end of what it said."""
    for session, suite in suites(results):
        for case in suite.iter("testcase"):
            for trouble in (*case.iterfind("failure"), *case.iterfind("error")):
                said = (trouble.text or trouble.get("message") or "").strip().splitlines()[-LINES:]
                lines = (line[:LENGTH] for line in said)
                yield "\n".join((f"---- {session}: {case.get('classname')}::{case.get('name')}", *lines))


def durations(results: Path) -> Iterator[str]:
    """Tell of each session how many tests it had, and how long it took."""
    for session, suite in suites(results):
        minutes, seconds = divmod(round(float(suite.get("time", 0))), 60)
        yield f"{session}: {suite.get('tests', 0)} tests in {minutes}:{seconds:02} minutes"


if __name__ == "__main__":
    found = Path(sys.argv[1])
    for each in durations(found):
        print(each)
    for each in failures(found):
        print(each)
    print("{} passed, {} failed, {} skipped".format(*count(found)))
