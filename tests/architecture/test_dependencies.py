"""What the project imports it declares, and what it declares CI installs in one version."""

import ast
import functools
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
DEVELOPMENT = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
OUR_OWN = {
    *("actors", "lightd", "tests", *(path.stem for path in (ROOT / "docs").glob("*.py"))),
    "lightd_client",  # generated for tests/clients
}
BY_NAME = {
    *("backports-zstd", "import-linter", "mypy", "nox", "openapi-python-client", "pytest-trio", "ruff"),
    "schemathesis",
}
"""Run as programs, or loaded by a name in a string."""


def names(requirements):
    return {canonicalize_name(each.name) for each in requirements}


def read_imports(tree):
    """Top-level names of all that a module imports when it runs, wherever in it the import stands."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return set()
    if isinstance(tree, ast.Import):
        return {alias.name.split(".")[0] for alias in tree.names}
    if isinstance(tree, ast.ImportFrom):
        return set() if tree.level else {tree.module.split(".")[0]}
    return set().union(*map(read_imports, ast.iter_child_nodes(tree)))


@functools.cache
def find_distributions(*folders):
    """Distributions that the Python files in these folders import, each with one of the files."""
    provided = importlib.metadata.packages_distributions()
    found = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for name in read_imports(ast.parse(path.read_text())) - sys.stdlib_module_names - OUR_OWN:
            for distribution in provided.get(name, [f"none-installed-for-{name}"]):
                found[canonicalize_name(distribution)] = str(path.relative_to(ROOT))
    return found


@pytest.mark.parametrize(
    ("folders", "declared"),
    [
        (("actors", "lightd"), RUNTIME),
        (("tests", "docs"), [*RUNTIME, *DEVELOPMENT]),
    ],
    ids=["lightd", "tests"],
)
def test_every_imported_distribution_is_declared(folders, declared):
    found = find_distributions(*folders)
    assert {name: path for name, path in found.items() if name not in names(declared)} == {}


def test_every_declared_distribution_is_used():
    imported = find_distributions("actors", "lightd")
    assert names(RUNTIME) - imported.keys() - BY_NAME == set()
    assert (
        names(DEVELOPMENT) - imported.keys() - find_distributions("tests", "docs").keys() - BY_NAME == set()
    )


def test_every_declared_distribution_has_a_pin_that_satisfies_it():
    for wanted in (*RUNTIME, *DEVELOPMENT):
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert pins, f"{wanted.name} is not in constraints.txt"
        for pin in pins:
            (version,) = [specifier.version for specifier in pin.specifier if specifier.operator == "=="]
            assert wanted.specifier.contains(version), f"{pin} does not satisfy {wanted}"


def test_imports_are_found_wherever_they_stand():
    text = (
        "import a.b\nfrom c.x import d\nfrom . import e\n"
        "if TYPE_CHECKING:\n    import f\ndef g():\n    import h\n"
    )
    assert read_imports(ast.parse(text)) == {"a", "c", "h"}
