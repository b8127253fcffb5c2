"""Python and the libraries: the versions that lightd was made for, and whether the daemon loads with them."""

import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import trio
from packaging.requirements import Requirement

from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.subject import Subject
from lightd.version import version

SLOW: Final = "the disk that Python's libraries are on"
PYTHONS: Final = ((3, 11), (3, 13))
_AREA = Area("software")


async def look(_subject: Subject, tell: Tell) -> None:
    """Look at what the daemon would be run with: this Python, and what is installed beside it."""
    tell(to_python(platform.python_version()))
    findings = await trio.to_thread.run_sync(_read, abandon_on_cancel=True)
    for finding in findings:
        tell(finding)


def _read() -> list[Finding]:
    try:
        wanted = importlib.metadata.requires("lightd") or []
    except importlib.metadata.PackageNotFoundError:
        return [_AREA.unseen("libraries", "lightd was never installed here", "pip install .")]
    return [*to_libraries(wanted, installed), *load()]


def installed(name: str) -> str | None:
    """The version of a library, None where it isn't there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def to_python(told: str) -> Finding:
    """Whether lightd was made for that Python. Pure."""
    numbers = tuple(int(part) for part in told.split(".")[:2])
    if PYTHONS[0] <= numbers <= PYTHONS[1]:
        return _AREA.good("python", f"lightd {version()} on Python {told}")
    return _AREA.bad(
        "python", f"Python {told} is none of 3.11 to 3.13", "python3.13 -m venv, and install lightd there"
    )


def to_libraries(wanted: Iterable[str], find: Callable[[str], str | None]) -> Iterator[Finding]:
    """Whether each requirement is met; one line where all are."""
    requirements = [Requirement(text) for text in wanted]
    due = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = False
    for requirement in due:
        found = find(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong = True
            needed = requirement.specifier or "any"
            text = f"{requirement.name} {found or 'is missing'}, where {needed} is needed"
            yield _AREA.bad(
                requirement.name, text, f"pip install '{requirement.name}{requirement.specifier}'"
            )
    if not wrong:
        yield _AREA.good(
            "libraries", f"all {len(due)} libraries are as they should be (Hypercorn {find('hypercorn')})"
        )


def load(module: str = "lightd.daemon") -> Iterator[Finding]:
    """Whether the daemon's modules load: its server insists on the one Hypercorn that it changes inside."""
    try:
        importlib.import_module(module)
    except (ImportError, RuntimeError) as error:
        yield _AREA.bad("daemon", f"the daemon does not load: {error}", "pip install -c constraints.txt .")
