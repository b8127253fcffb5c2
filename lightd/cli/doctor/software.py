"""Python and the libraries: whether their versions are supported and the daemon can be imported."""

import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import trio
from packaging.requirements import Requirement

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.config.version import version

SLOW: Final = "check the disk that contains Python's libraries"
PYTHONS: Final = ((3, 11), (3, 13))
_AREA = Area("software")


async def look(_subject: Subject, tell: Tell) -> None:
    """Check this Python and its installed libraries."""
    tell(to_python(platform.python_version()))
    findings = await trio.to_thread.run_sync(_read, abandon_on_cancel=True)
    for finding in findings:
        tell(finding)


def _read() -> list[Finding]:
    try:
        wanted = importlib.metadata.requires("lightd") or []
    except importlib.metadata.PackageNotFoundError:
        return [_AREA.unseen("libraries", "lightd is not installed in this environment", "pip install .")]
    return [*to_libraries(wanted, installed), *load()]


def installed(name: str) -> str | None:
    """The version of a library, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def to_python(told: str) -> Finding:
    """Whether lightd supports that Python. Pure."""
    numbers = tuple(int(part) for part in told.split(".")[:2])
    if PYTHONS[0] <= numbers <= PYTHONS[1]:
        return _AREA.good("python", f"lightd {version()} on Python {told}")
    return _AREA.bad(
        "python",
        f"Python {told} is not supported (3.11 to 3.13)",
        "create an environment with python3.13 -m venv",
    )


def to_libraries(wanted: Iterable[str], find: Callable[[str], str | None]) -> Iterator[Finding]:
    """One finding for each requirement that is not met, or one if all are met."""
    requirements = [Requirement(text) for text in wanted]
    due = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = False
    for requirement in due:
        found = find(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong = True
            needed = requirement.specifier or "any"
            text = f"{requirement.name} {found or 'is missing'}, required: {needed}"
            yield _AREA.bad(
                requirement.name, text, f"pip install '{requirement.name}{requirement.specifier}'"
            )
    if not wrong:
        yield _AREA.good(
            "libraries",
            f"all {len(due)} libraries have the required versions (Hypercorn {find('hypercorn')})",
        )


def load(module: str = "lightd.daemon") -> Iterator[Finding]:
    """Whether the daemon can be imported: its server requires the exact Hypercorn that it modifies."""
    try:
        importlib.import_module(module)
    except (ImportError, RuntimeError) as error:
        yield _AREA.bad(
            "daemon", f"the daemon cannot be imported: {error}", "pip install -c constraints.txt ."
        )
