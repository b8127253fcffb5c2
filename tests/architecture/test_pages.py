"""What the pages name is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\b(?:test|check)_[a-z0-9_]{12,}\b(?!\.py)")
FILES = re.compile(r"`((?:contracts|edge|live|pure|simulated)/[\w/]+\.py)")


def test_every_test_that_the_page_of_security_names_is_there():
    page = (ROOT / "docs/security.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    named = set(NAMED.findall(page))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in tests} == set()
    files = set(FILES.findall(page))
    assert len(files) > 8
    assert {name for name in files if not (ROOT / "tests" / name).exists()} == set()
