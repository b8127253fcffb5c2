"""What the pages name is there: files, tests, links, and on the page of architecture every module."""

import json
import re
from pathlib import Path

import attrs
import pytest

from lightd.config import sections

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
NAMED = re.compile(r"\b(?:test|check)_[a-z0-9_]{12,}\b(?!\.py)")
FILE = re.compile(r"`((?:api|architecture|contracts|live|pure|server|simulated|ui)/[\w/]+\.py)(?:::(\w+))?")
NEXT = re.compile(r"`…(test_\w+)`")
SUITE = re.compile(r"`(?:(\w+_checks)(?:\.|`)|…check_)")


def to_rows(page):
    """The rows of every table of promises, each as the list of its cells."""
    found, within = [], False
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if cells[-1:] == ["test"]:
            within = True
        elif not cells:
            within = False
        elif within and not set(line) <= set("|-"):
            found.append(cells)
    return found


ROWS = to_rows(PAGE)


def find_missing(cell):
    """What a cell names and isn't there; a bare ``…test_x`` is in the file named before it."""
    missing, file = [], None
    for word in re.findall(r"`[^`]+`", cell):
        if found := FILE.match(word):
            file = ROOT / "tests" / found[1]
            name = found[2]
        elif found := NEXT.match(word):
            name = found[1]
        else:
            continue
        if file is None or not file.exists() or (name and f"def {name}(" not in file.read_text()):
            missing.append(word)
    return missing


def test_page_of_security_has_its_rows():
    assert len(ROWS) > 60
    assert {len(cells) for cells in ROWS} == {3}


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[0][:60])
def test_promise_names_a_test_and_each_test_it_names_is_there(cells):
    assert FILE.search(cells[2]) or SUITE.search(cells[2]), "a promise without a test"
    assert find_missing(cells[2]) == []


def test_every_check_that_the_page_of_security_names_is_there():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    named = set(NAMED.findall(PAGE))
    assert len(named) > 50
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_row_without_its_test_would_be_seen():
    head, row = (
        "| promise | mechanism | test |\n|---|---|---|",
        "| a | b | `pure/test_paths.py::test_no_such` |",
    )
    page = f"{head}\n{row}\n\n| x | test |"
    assert [find_missing(cells[2]) for cells in to_rows(page)] == [["`pure/test_paths.py::test_no_such`"]]
    assert find_missing("`pure/no_such.py`") == ["`pure/no_such.py`"]
    assert find_missing("`pure/test_paths.py`, `…test_none_of_these`") == ["`…test_none_of_these`"]


PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CHANGES.md", *sorted((ROOT / "docs").rglob("*.md")))
}
SOURCE = re.compile(r"`((?:actors|lightd|tests|config|docs)/[\w/.-]*(?:/|\.\w+))")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#]+)")
SUITES = re.compile(r"`((?:api|architecture|contracts|live|processes|pure|server|simulated|ui)/[\w/]+\.py)")
UNNAMED = {"version"}
"""A module whose name says all."""


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    text = PAGES[page]
    assert [name for name in SOURCE.findall(text) if not (ROOT / name).exists()] == []
    assert [name for name in SUITES.findall(text) if not (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    for text, target in LINK.findall(PAGES[page]):
        assert (ROOT / page).parent.joinpath(target).exists(), target
        if number := re.fullmatch(r"decision (\d+)", text):
            assert target.rpartition("/")[2].startswith(f"{int(number[1]):04}-"), text


def test_every_module_and_package_stands_on_the_page_of_architecture():
    page = PAGES["docs/architecture.md"]
    packages = [
        path.parent.relative_to(ROOT)
        for top in ("actors", "lightd")
        for path in (ROOT / top).rglob("__init__.py")
        if path.parent != ROOT / top
    ]
    loose = {path.stem for path in (ROOT / "lightd").glob("*.py") if not path.stem.startswith("__")}
    assert [str(folder) for folder in packages if f"`{folder}/`" not in page] == []
    named = set(re.findall(r"`(?:lightd/)?(\w+)\.py`", page))
    assert loose - named - UNNAMED == set()


def test_term_of_the_glossary_stands_there_once():
    terms = re.findall(r"^\| \*\*(.+?)\*\*", PAGES["docs/glossary.md"], re.MULTILINE)
    assert len(terms) > 40
    assert len(terms) == len(set(terms))


def test_private_parts_of_h11_are_used_where_the_decision_on_files_says():
    named = set(
        re.findall(r"`(lightd/http/[\w/]+\.py)`", PAGES["docs/decisions/0008-files-go-past-the-framework.md"])
    )
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lightd").rglob("*.py")
        if re.search(r"^(?:import|from) h11\._", path.read_text(), re.MULTILINE)
    }
    assert users == named


def to_keys(section, prefix=""):
    """Each key of the configuration, as the page writes it, with its default."""
    for field in attrs.fields(section):
        path, default = f"{prefix}{field.name}", field.default
        if attrs.has(field.type):
            yield from to_keys(field.type, f"{path}.")
        else:
            yield path, default


def test_every_key_of_the_configuration_is_on_the_page_of_operations_with_its_default():
    table = PAGES["docs/operations.md"].split("## Configuration keys\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    shown = {key: cells[1] for cells in rows for key in re.findall(r"`([a-z_.]+)`", cells[0])}
    keys = dict(to_keys(attrs.resolve_types(sections.Configuration)))
    assert shown.keys() == keys.keys()
    plain = {
        key: default for key, default in keys.items() if isinstance(default, str | int) and default != ""
    }
    assert len(plain) > 15
    assert {key for key, default in plain.items() if shown[key] != f"`{json.dumps(default)}`"} == set()


CAMEL = re.compile(r"`([A-Z][a-z0-9]+[A-Za-z0-9]*(?:\.[a-z_]+)?)(?:\([^`]*\))?`")


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/glossary.md"])
def test_class_that_a_page_of_the_design_names_is_in_the_code(page):
    code = "".join(path.read_text() for top in ("actors", "lightd") for path in (ROOT / top).rglob("*.py"))
    headers = {"Origin"}
    names = {tuple(name.split(".")) for name in CAMEL.findall(PAGES[page]) if name not in headers}
    assert [
        name
        for name, *attribute in names
        if not re.search(rf"^class {name}\b|^{name} = ", code, re.MULTILINE)
        or not all(re.search(rf"\bdef {each}\b", code) for each in attribute)
    ] == []


def to_anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_anchor_of_a_link_is_a_heading_of_its_page(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", PAGES[page]):
        path = (ROOT / page).parent.joinpath(target).resolve() if target else ROOT / page
        assert anchor in to_anchors(str(path.relative_to(ROOT))), f"{target}#{anchor}"
