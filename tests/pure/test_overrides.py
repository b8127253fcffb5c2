"""The table of private names of other libraries is whole, and other versions of them are refused."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import textwrap
from pathlib import Path

import pytest

from lightd.http import transport
from lightd.http.transport.overrides import OVERRIDES, check_versions

CLASSES = {
    path: names for library in OVERRIDES.values() for path, names in library.private.items()
}  # fmt: skip
LIBRARIES = tuple(name.replace("-", "_") for name in OVERRIDES)


def to_class(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", CLASSES)
def test_private_name_in_the_table_exists(path):
    cls = to_class(path)
    source = "".join(inspect.getsource(each) for each in cls.__mro__[:-1] if "Protocol" not in str(each))
    for name in CLASSES[path]:
        assert hasattr(cls, name) or f"self.{name}" in source, name


def test_every_private_name_that_is_used_is_in_the_table():
    listed = {name for names in CLASSES.values() for name in names}
    found = set()
    for each in pkgutil.iter_modules(transport.__path__, "lightd.http.transport."):
        module = importlib.import_module(each.name)
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == each.name:
                found |= private_names_of(cls)
        tree = ast.parse(Path(module.__file__).read_text())
        found |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
            and "SLF001" in Path(module.__file__).read_text().splitlines()[node.lineno - 1]
        }
    assert found == listed


def private_names_of(cls):
    """The private names of other libraries' classes that a class overrides or uses."""
    bases = [base for base in cls.__mro__[1:] if base.__module__.split(".")[0] in LIBRARIES]
    own = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))))
    named = {node.attr for node in own if isinstance(node, ast.Attribute)}
    named |= {node.name for node in own if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    theirs = "".join(inspect.getsource(base) for base in bases)
    return {
        name
        for name in named
        if name.startswith("_")
        and not name.startswith("__")
        and any(
            hasattr(base, name) or f"self.{name} " in theirs or f"self.{name}:" in theirs for base in bases
        )
    }


@pytest.mark.parametrize("name", OVERRIDES)
def test_library_in_another_version_is_refused(name):
    def installed(other):
        return "99.0" if other == name else importlib.metadata.version(other)

    check_versions()
    with pytest.raises(ImportError, match=rf"^{name} 99.0 is installed, but lightd uses private names"):
        check_versions(installed)
