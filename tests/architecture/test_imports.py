"""Who may import whom, read from the source itself. The layers are import-linter's (pyproject.toml)."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WITH_A_BODY = {
    "actors.kernel.actor",
    "actors.kernel.bus",
    "actors.kernel.ephemeral",
    "actors.kernel.mailbox",
    "actors.kernel.handle",
    "actors.kernel.promise",
    "actors.kernel.supervisor",
    "actors.kernel.turns",
    "actors.container.console.console",
    "actors.container.console.installation",
    "actors.container.endings",
    "actors.container.fleet",
    "actors.container.restore",
    "actors.container.stats_sampler",
    "actors.container.performer",
    "actors.container.console.reader",
    "actors.container.console.log_writer",
    "actors.container.console.scrollback",
    "actors.container.console.follower",
    "actors.container.console.runs",
    "actors.portpool.actor",
    "actors.volumes.actor",
    "actors.sftp.actor",
    "actors.tokens.actor",
    "actors.tokens.retirement",
    "actors.remotesync.actor",
    "actors.remotesync.breaker",
    "actors.remotesync.delivery",
    "actors.remotesync.checkpoint",
    "actors.remotesync.status",
}
"""Modules of the system that know Trio or have a life. Every other one is pure: it holds values and
functions, and knows no clock, chance, disk, network or event loop."""

PURE_LIBRARY = {
    "abc", "attrs", "bisect", "codecs", "collections", "contextlib", "enum", "functools", "heapq",
    "ipaddress", "itertools", "math", "operator", "re", "re2", "shlex", "string", "struct", "textwrap",
    "types", "typing", "unicodedata",
}  # fmt: skip
"""What a pure module may use besides other pure modules."""

PURE_EXTRAS = {
    "lightd.api.container_fields": set(),
    "lightd.api.bodies": set(),
    "lightd.api.errors": set(),
    "lightd.api.events": set(),
    "lightd.api.mount_rules": set(),
    "lightd.config.addresses": set(),
    "lightd.eggs.egg": set(),
    "lightd.games.answer": set(),
    "lightd.games.minecraft": {"json"},
    "lightd.games.source": set(),
    "lightd.eggs.environment": set(),
    "lightd.eggs.errors": set(),
    "lightd.eggs.limits": set(),
    "lightd.eggs.placeholders": set(),
    "lightd.eggs.rules": {"csv"},
    "lightd.engines.patterns": {"time", "trio"},
    "lightd.engines.signals": set(),
    "lightd.files.denying": {"pathspec"},
    "lightd.files.errors": set(),
    "lightd.files.paths": set(),
    "lightd.logs.redaction": set(),
    "lightd.validation.reading": set(),
    "lightd.validation.rules": {"json"},
    "lightd.validation.schema": {"inspect"},
    "lightd.engines.docker.translate": {"datetime", "json"},
    "lightd.engines.image_names": set(),
    "lightd.engines.docker.recipe": {"hashlib", "json"},
    "lightd.engines.host.entrypoint": set(),
    "lightd.engines.docker.logged": {"datetime"},
    "lightd.consoles.records": set(),
    "lightd.cli.commands.cells": set(),
    "lightd.cli.commands.filters": set(),
    "lightd.cli.commands.formats": set(),
    "lightd.cli.commands.screen": set(),
    "lightd.cli.commands.sentences": set(),
    "lightd.cli.commands.tables": set(),
    "lightd.cli.doctor.finding": set(),
    "lightd.cli.doctor.report": set(),
}
"""What is pure in the daemon. Translation reads the engine's JSON and its times; it asks no clock. Of
the patterns, rules use what compiles them."""

ONLY = {
    "asyncio": {"lightd.engines.docker.bridge", "lightd.sftp.server"},
    "aiodocker": {"lightd.engines.docker"},
    "aiohttp": {"lightd.engines.docker"},
    "quart": {"lightd.http"},
    "quart_trio": {"lightd.http"},
    "hypercorn": {"lightd.http"},
    "cattrs": {"lightd.journal.codec"},
    "sqlite3": {"lightd.journal"},
    "argcomplete": {"lightd.cli.commands.completion"},
}
"""A library, and the only modules (or packages) that import it."""


def modules(*packages: str) -> dict[str, Path]:
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SYSTEM = modules("actors", "lightd")
PURE = {
    name for name, path in SYSTEM.items() if name.startswith("actors.") and path.name != "__init__.py"
} - WITH_A_BODY | (PURE_EXTRAS.keys() & SYSTEM.keys())


@cache
def imported(name: str) -> frozenset[str]:
    """Full dotted names of all that a module imports, wherever in it the import stands."""
    return frozenset(_read_imports(name))


def _read_imports(name: str) -> Iterator[str]:
    path = SYSTEM[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                yield whole if whole in SYSTEM else source


def test_module_of_the_actors_that_says_it_is_pure_is_held_to_it():
    said = {
        name
        for name, path in SYSTEM.items()
        if name.startswith("actors.") and "Pure." in (ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    assert said
    assert said <= PURE


def test_modules_to_check_are_found():
    assert {name.split(".")[0] for name in SYSTEM} == {"actors", "lightd"}
    assert PURE


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_module_imports_only_what_is_pure(name):
    allowed = PURE_LIBRARY | PURE_EXTRAS.get(name, set())
    impure = {other for other in imported(name) if other not in PURE and other.split(".")[0] not in allowed}
    assert not impure


@pytest.mark.parametrize("library", ONLY)
def test_library_stays_behind_its_door(library):
    doors = ONLY[library]
    users = {
        name
        for name in SYSTEM
        if any(other == library or other.startswith(f"{library}.") for other in imported(name))
    }
    assert {
        user for user in users if not any(user == door or user.startswith(f"{door}.") for door in doors)
    } == set()


def test_tests_use_fakes_that_pass_the_contract_and_no_mocks():
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("unittest") for alias in node.names))
    }
    assert users == set()
