"""What CI runs, each part by its name: ``nox --list``.

Run from the project's own environment (``.venv``, made by ``tests/rig/run``) the sessions use that one,
except ``tests`` or ``newest`` if it is for another Python; run from elsewhere each makes its own.
`tests/rig/run tests` runs ``tests``, ``newest`` and ``live`` at the same time, and some of them in parts,
each with its name in ``LIGHTD_PART``. tests/README.md says what each session is for.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "typing", "docs", "tests", "newest"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
COVERAGE = ROOT / ".nox" / "coverage"
RESULTS = ROOT / ".nox" / "results"
FLOORS = nox.project.load_toml("pyproject.toml")["tool"]["lightd"]["coverage-floors"]
PART = os.environ.get("LIGHTD_PART", "")
UNMEASURED = {"docker"}
"""Parts that run without coverage, which takes 3 of 8 seconds of CPU: the floors hold without them."""
SOAKED = "10"  # times as much as in the gate: about an hour
# What can differ between Pythons: the library, and Quart, whose newest release needs the newest Python.
CAN_DIFFER = ["tests/api", "tests/golden", "tests/pure", "tests/contracts", "tests/processes"]
PYTHON_SOURCES = ["actors", "lightd", "tests", "docs", "noxfile.py"]


def _works(version: str) -> bool:
    command = shutil.which(f"python{version}")
    return (
        bool(command)
        and subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0
    )


def _let_pyenv_run_all() -> None:
    # Its shims run only the chosen versions: choose all, the one in charge first.
    if "PYENV_VERSION" in os.environ or not shutil.which("pyenv"):
        return
    versions = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
    ours = [version for version in versions.stdout.split() if version.startswith(tuple(PYTHONS))]
    current = ".".join(map(str, sys.version_info[:3]))
    os.environ["PYENV_VERSION"] = ":".join(sorted(ours, key=lambda version: version != current))


def _oldest_and_newest() -> list[str]:
    _let_pyenv_run_all()
    here = [version for version in PYTHONS if _works(version)]
    return sorted({here[0], here[-1]}, key=PYTHONS.index) if here else []


def _inside_the_project() -> bool:
    try:
        importlib.metadata.version("lightd")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


BACKEND = "none" if _inside_the_project() else None
HERE = _oldest_and_newest()
OLDEST = HERE[0] if HERE else None
NEWEST = HERE[-1] if HERE else None


def _backend(python: str | None) -> str | None:
    """The project's own environment where it has this Python: a second one would have the same packages."""
    return BACKEND if python in (None, f"{sys.version_info.major}.{sys.version_info.minor}") else None


def _run(session: nox.Session, *arguments: str, **options: object) -> None:
    """`python arguments` in the session's environment, the project and its tools installed there."""
    if isinstance(session.virtualenv, nox.virtualenv.PassthroughEnv):
        session.run(sys.executable, *arguments, external=True, **options)
        return
    wanted = Path("pyproject.toml").read_text() + Path("constraints.txt").read_text()
    stamp = Path(session.virtualenv.location) / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        session.install("-c", "constraints.txt", "-e", ".[dev]")
        stamp.write_text(wanted)
    session.run("python", *arguments, **options)


def _pytest(
    session: nox.Session, name: str, marked: str, *paths: str, measured: bool = True, **env: str
) -> None:
    name = f"{name}-{PART}" if PART else name
    COVERAGE.mkdir(parents=True, exist_ok=True)
    for old in COVERAGE.glob(f"{name}.*"):
        old.unlink()
    _run(
        session,
        *(("-m", "coverage", "run") if measured else ()),
        *("-m", "pytest", "--quiet", "-m", marked, f"--junitxml={RESULTS / name}.xml"),
        "--hypothesis-profile=ci",  # no deadlines: coverage slows the examples down
        *(session.posargs or paths),
        env={"COVERAGE_FILE": str(COVERAGE / name), **env},
    )


@nox.session(python=OLDEST, venv_backend=_backend(OLDEST))
def tests(session: nox.Session) -> None:
    """All that needs no Docker, on the oldest Python here, measured."""
    _pytest(session, f"tests-{session.python}", "not live and not bench", LIGHTD_ALL_ROUTES="yes")


@nox.session(python=NEWEST, venv_backend=_backend(NEWEST))
def newest(session: nox.Session) -> None:
    """Of that, on the newest Python here, what can differ between versions; not measured."""
    if OLDEST == NEWEST:
        session.skip("only one Python is here, and `tests` has it")
    marked = "not live and not bench and not soak and not one_python"
    _pytest(session, f"newest-{session.python}", marked, *CAN_DIFFER, measured=False)


@nox.session(venv_backend=BACKEND)
def live(session: nox.Session) -> None:
    """What needs a Docker Engine: the daemon as a whole, and the contracts on Docker."""
    _pytest(session, "live", "live", "tests/live", "tests/contracts", measured=PART not in UNMEASURED)


@nox.session(venv_backend=BACKEND)
def soak(session: nox.Session) -> None:
    """The random and the long tests of the gate, ten times as long (or ``LIGHTD_SOAK`` times)."""
    factor = os.environ.get("LIGHTD_SOAK", SOAKED)
    command = ["-m", "pytest", "-m", "soak", f"--junitxml={RESULTS / 'soak'}.xml", *session.posargs]
    _run(session, *command, env={"LIGHTD_SOAK": factor})


@nox.session(venv_backend=BACKEND)
def cover(session: nox.Session) -> None:
    """The floors of pyproject.toml hold over what `tests` and `live` measured together."""
    environment = {"COVERAGE_FILE": str(ROOT / ".nox" / "covered")}
    collected = sorted(str(path) for path in COVERAGE.glob("*"))
    if not collected:
        session.error("nothing was collected: run the sessions `tests` and `live` first")
    # Not logged: there are hundreds, one a process.
    _run(session, "-m", "coverage", "combine", "--keep", "--quiet", *collected, env=environment, log=False)
    below = []
    for package, floor in FLOORS.items():
        try:
            _run(
                session,
                *(
                    "-m",
                    "coverage",
                    "report",
                    f"--include={package}/*",
                    f"--fail-under={floor}",
                    "--precision=1",
                ),
                env=environment,
            )
        except nox.command.CommandFailed:
            below.append(f"{package} is below its {floor} %")
    if below:
        session.error(", ".join(below))


@nox.session(venv_backend=BACKEND)
def typing(session: nox.Session) -> None:
    """Mypy, strict."""
    _run(session, "-m", "mypy", *session.posargs)


@nox.session(venv_backend=BACKEND)
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, and who may import whom."""
    sources = [source for source in PYTHON_SOURCES if Path(source).exists()]
    _run(session, "-m", "ruff", "check", "--quiet", "--output-format=concise", *sources)
    _run(session, "-m", "ruff", "format", "--check", *sources)
    _run(session, "-c", "from importlinter import cli; cli.lint_imports_command()")


@nox.session(venv_backend=BACKEND)
def docs(session: nox.Session) -> None:
    """The pages rendered from the code are what the code says."""
    _run(session, "docs/render.py", "--check")


@nox.session(venv_backend=BACKEND)
def bench(session: nox.Session) -> None:
    """Measurements: ratios inside one run."""
    _run(session, "-m", "tests.bench", *session.posargs)


@nox.session(venv_backend="none")
def ui(session: nox.Session) -> None:
    """The web console: types, style, unit tests, and its files in lightd/ui. Needs Node.js."""
    with session.chdir("ui"):
        lock = Path("package-lock.json").read_text()
        stamp = Path("node_modules/.lightd")
        if not stamp.exists() or stamp.read_text() != lock:
            session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", external=True)
            stamp.write_text(lock)
        for script in session.posargs or ("check", "test", "build"):
            session.run("npm", "run", "--silent", script, external=True)
