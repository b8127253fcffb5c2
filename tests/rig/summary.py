"""The last line of a test run: how many passed and failed over all its sessions."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def count(results: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of all the JUnit files in a directory."""
    total = failed = skipped = 0
    for report in results.glob("*.xml"):
        for suite in ET.parse(report).getroot().iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


if __name__ == "__main__":
    print("{} passed, {} failed, {} skipped".format(*count(Path(sys.argv[1]))))
