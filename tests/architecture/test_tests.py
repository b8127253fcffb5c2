"""The shape of the tests: each fixture has one definition, and a test's name begins with its subject."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FUNCTIONS = [
    (path, node)
    for path in sorted((ROOT / "tests").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]


NO_SUBJECT = re.compile(
    "(?:test|check)_(?:an?|the|its?|this|there|what(?:ever)?|who(?:m|ever)?|nobody|nothing|how(?:ever)?|when"
    "|where(?:ver)?|why|of|in|on|over|under|after|with|without)_"
)
"""A name that begins so doesn't say what it is about."""


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


def test_name_begins_with_its_subject():
    named = {each.name: str(path.relative_to(ROOT)) for path, each in FUNCTIONS}
    assert {name: path for name, path in named.items() if NO_SUBJECT.match(name)} == {}
