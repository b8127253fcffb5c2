"""The shape of files: one noun each, short, and every exception to a rule with its reason."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 500  # of lines: a longer file has two subjects
NO_NOUNS = {"utils", "util", "base", "common", "manager", "helpers", "helper", "types", "misc"}

SYSTEM = [path for package in ("actors", "lightd") for path in sorted((ROOT / package).rglob("*.py"))]
SOURCES = [*SYSTEM, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "docs").rglob("*.py"))]
PACKAGES = [path for path in SYSTEM if path.name == "__init__.py"]

EXCEPTION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no\s+(cover|branch))", re.IGNORECASE)
REASONED = re.compile(
    r"""\#\s*
    (?: noqa:\s [A-Z]+[0-9]+ (?:,\s?[A-Z]+[0-9]+)*      # noqa: CODE, CODE
      | type:\signore\[[a-z-]+(?:,\s?[a-z-]+)*\]        # type: ignore[code, code]
      | pragma:\sno\s(?:cover|branch)
    )
    \s+ (?![A-Z]+[0-9]) .* \w{3,}                      # the reason
    """,
    re.VERBOSE,
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def comments(path: Path) -> list[tuple[int, str]]:
    with path.open("rb") as file:
        return [
            (token.start[0], token.string)
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
        ]


def test_files_to_check_are_found():
    assert PACKAGES
    assert len(SYSTEM) > len(PACKAGES)


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_package_has_a_docstring_and_no_re_exports(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("path", SYSTEM, ids=name)
def test_file_is_short_enough_to_read(path):
    lines = path.read_text().count("\n")
    assert lines <= LONGEST


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file_is_named_for_a_noun_of_the_domain(path):
    assert path.stem not in NO_NOUNS
    assert not NO_NOUNS & set(path.relative_to(ROOT).parts)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_exception_to_a_rule_has_a_code_and_a_reason(path):
    assert [
        f"{line}: {text}"
        for line, text in comments(path)
        if EXCEPTION.search(text) and not all(REASONED.match(part) for part in exceptions(text))
    ] == []


def exceptions(comment: str) -> list[str]:
    """The parts of a comment that each begin an exception; the reason of the last one counts for all."""
    starts = [found.start() for found in EXCEPTION.finditer(comment)]
    return [comment[starts[-1] :]] if starts else []


@pytest.mark.parametrize(
    ("comment", "reasoned"),
    [
        ("# noqa: S311 - jitter needs no secret", True),
        ("# noqa: S311, A001 # jitter needs no secret", True),
        ("# type: ignore[misc]  # the stub is wrong", True),
        ("# pragma: no cover - only on macOS", True),
        ("# noqa", False),
        ("# noqa: S311", False),
        ("# type: ignore[misc]", False),
        ("# type: ignore  # the stub is wrong", False),
        ("# pragma: no cover", False),
    ],
)
def test_reason_is_recognised(comment, reasoned):
    assert EXCEPTION.search(comment)
    assert bool(REASONED.match(comment)) is reasoned
