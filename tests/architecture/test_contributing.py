"""The pages for contributors name only what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["CONTRIBUTING.md", "tests/README.md"]
NAMED = re.compile(r"`((?:actors|config|docs|lightd|tests)/[\w./-]+?)/?`")
IN_COMMANDS = re.compile(r"(?<![\w.])((?:docs|tests)/[\w/]+(?:\.py)?)(?=[ `])")
SESSION = re.compile(r"nox (?:-s|--sessions) ((?:\w+ ?)+)`")


@pytest.mark.parametrize("page", PAGES)
def test_contributors_page_names_files_that_exist(page):
    text = (ROOT / page).read_text()
    named = {*NAMED.findall(text), *IN_COMMANDS.findall(text)}
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES)
def test_contributors_page_names_nox_sessions_that_exist(page):
    named = {name for each in SESSION.findall((ROOT / page).read_text()) for name in each.split()}
    assert named
    assert {name for name in named if f"def {name}(session" not in (ROOT / "noxfile.py").read_text()} == set()


@pytest.mark.parametrize(
    ("page", "name", "file"),
    [
        ("CONTRIBUTING.md", "Route", "lightd/http/route.py"),
        ("CONTRIBUTING.md", "ROUTES", "lightd/http/routes/table.py"),
        ("CONTRIBUTING.md", "SECTIONS", "lightd/http/routes/table.py"),
        ("CONTRIBUTING.md", "OUTBOUND", "lightd/http/live/kinds.py"),
        ("CONTRIBUTING.md", "INBOUND", "lightd/http/live/inbound.py"),
        ("CONTRIBUTING.md", "ContainerSpec", "actors/container/spec.py"),
        ("CONTRIBUTING.md", "KINDS", "lightd/journal/codec.py"),
        ("CONTRIBUTING.md", "ContainerBody", "lightd/api/container_fields.py"),
        ("CONTRIBUTING.md", "PUBLIC", "lightd/api/events.py"),
        ("CONTRIBUTING.md", "to_fingerprint", "lightd/engines/docker/recipe.py"),
        ("CONTRIBUTING.md", "PHASES", "actors/container/state.py"),
        ("CONTRIBUTING.md", "WORDS", "docs/command_table.py"),
        ("CONTRIBUTING.md", "Engine", "actors/container/engine.py"),
        ("CONTRIBUTING.md", "ENGINES", "lightd/config/engines.py"),
        ("CONTRIBUTING.md", "OPENERS", "lightd/engines/opening.py"),
        ("CONTRIBUTING.md", "first_file", "lightd/config/sections.py"),
        ("CONTRIBUTING.md", "LIVE", "lightd/config/sections.py"),
        ("tests/README.md", "open_second_engine", "tests/support/second_engine.py"),
        ("tests/README.md", "open_daemon", "tests/simulated/world.py"),
    ],
)
def test_contributors_page_names_what_its_file_defines(page, name, file):
    assert f"`{name}`" in (ROOT / page).read_text()
    assert re.search(rf"^(?:async def |def |class )?{name}\b", (ROOT / file).read_text(), re.MULTILINE)
