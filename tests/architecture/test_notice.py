"""NOTICE names each package of the web console with the licence that the lock file has for it."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
USED = {
    path.removeprefix("node_modules/"): package["license"]
    for path, package in LOCK.items()
    if path and not package.get("dev", False)
}


def to_rows(text):
    """The patterns of names in the rows of NOTICE, each with its licence."""
    rows = re.findall(r"^(\S.*?)(?: \(.*\))? {2,}(\S+)$", text, re.MULTILINE)
    return {name: licence for names, licence in rows for name in names.split(", ")}


ROWS = to_rows((ROOT / "NOTICE").read_text())


@pytest.mark.parametrize("name", USED)
def test_package_of_the_web_console_is_in_notice_with_its_licence(name):
    assert [licence for pattern, licence in ROWS.items() if fnmatchcase(name, pattern)] == [USED[name]]


def test_notice_names_no_package_that_the_web_console_lacks():
    assert [pattern for pattern in ROWS if not any(fnmatchcase(name, pattern) for name in USED)] == []
