"""A ``match`` over a closed set of cases has no silent default: mypy names it when the set grows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for top in ("actors", "lightd", "docs") for path in (ROOT / top).rglob("*.py"))
CLOSED = {"Phase", "Stage", "Outcome", "Follow", "Kind", "Status", "Role", "Step", "messages", "effects"}


def to_owners(pattern):
    """The names before the last dot of what a pattern names: ``Phase`` of ``Phase.RUNNING``."""
    for node in ast.walk(pattern):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value).rpartition(".")[2]


def is_default(case):
    """True for ``case _`` or ``case name``, unless its body only proves that it can't be reached."""
    pattern = case.pattern.pattern if isinstance(case.pattern, ast.MatchAs) else case.pattern
    reached = not ast.unparse(case.body[0]).startswith("assert_never(")
    return isinstance(case.pattern, ast.MatchAs) and pattern is None and case.guard is None and reached


def find_silent(source):
    """The lines of defaults in matches over closed sets."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Match):
            owners = {owner for case in node.cases for owner in to_owners(case.pattern)}
            yield from (case.pattern.lineno for case in node.cases if owners & CLOSED and is_default(case))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_match_over_a_closed_set_has_no_default(path):
    assert list(find_silent(path.read_text())) == []


@pytest.mark.parametrize(
    ("default", "found"),
    [("case _:\n  pass", [4]), ("case other:\n  pass", [4]), ("case _:\n  assert_never(x)", [])],
)
@pytest.mark.parametrize("named", ["Phase.UP | Phase.DOWN", "state.Phase.UP", "messages.Stop(), Phase.UP"])
def test_default_is_found_wherever_a_closed_set_is_matched(named, default, found):
    assert list(find_silent(f"match x:\n case {named}:\n  pass\n {default}")) == found


def test_default_beside_open_values_is_allowed():
    assert list(find_silent("match x:\n case 'a':\n  pass\n case _:\n  pass")) == []
