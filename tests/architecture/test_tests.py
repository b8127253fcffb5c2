"""The shape of the tests: each fixture has one definition."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FUNCTIONS = [
    (path, node)
    for path in sorted((ROOT / "tests").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]


def to_fixture(function):
    """The name of the fixture that a function defines; None where it defines none."""
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        if ast.unparse(call.func if call else decorator) == "pytest.fixture":
            given = {keyword.arg: keyword.value for keyword in call.keywords} if call else {}
            return ast.literal_eval(given["name"]) if "name" in given else function.name
    return None


def test_fixture_has_one_definition_in_all_suites():
    found = defaultdict(list)
    for path, function in FUNCTIONS:
        if name := to_fixture(function):
            found[name].append(f"{path.relative_to(ROOT)}:{function.lineno}")
    assert len(found) > 80
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
