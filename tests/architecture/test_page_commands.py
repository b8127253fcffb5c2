"""No command stands on a page that a test doesn't run, and no configuration that lightd doesn't take."""

import json
import re
from pathlib import Path

import pytest

from lightd.config import sections
from tests.support import page_blocks
from tests.support.page_blocks import ROOT

RUN_BY = {
    "README.md": ["live/test_readme.py"],
    "docs/api.md": ["api/test_api_page.py"],
    "docs/cli.md": ["live/test_cli_page.py"],
    "docs/eggs.md": ["pure/test_egg_command.py"],
    "docs/engines.md": ["live/test_pool_page.py"],
    "docs/installation.md": ["live/test_installation.py"],
    "docs/operations.md": [
        "live/test_bad_days_page.py",
        "live/test_docker_pull.py",
        "live/test_engine_network.py",
        "live/test_engine_page.py",
        "live/test_engine_troubles.py",
        "live/test_images.py",
        "live/test_operations_page.py",
        "live/test_pool_page.py",
    ],
    "docs/quickstart.md": ["live/test_quickstart.py"],
    "docs/reference.md": ["support/page_lines.py"],
    "docs/remote.md": ["live/test_panel_examples.py"],
    "docs/security.md": ["live/test_security_page.py"],
    "docs/tutorial.md": ["live/test_tutorial.py"],
}
"""Each of them takes the blocks of its page as they stand, and has no fewer and no more than it knows of."""

BY_HEADING = {"docs/operations.md", "docs/remote.md"}
COMMANDS = {"bash", "sh", "ini", "fstab", "python", "js"}
OTHERS = {"json", "jsonc", "http", "text"}
ELSEWHERE = {
    "lightd console hello": "live/test_readme.py",
    "lightd demo": "live/test_demo.py",
    "kill -9": "live/test_journal_kill.py",
    "lightd egg import": "api/test_egg_commands.py",
    "lightd egg rm": "api/test_egg_commands.py",
    "lightd egg upgrade": "api/test_egg_commands.py",
    "lightd sftp fingerprint": "api/test_sftp.py",
    "bash tests/rig/run ui": "api/test_web_console.py",
}
"""Commands that are named in a sentence only, and what runs them."""

TOOLS = (
    r"apt-get|bash|btrfs|call|chmod|cp|curl|debootstrap|df|docker|fuser|git|iptables|jq|journalctl|kill|lightd|losetup"
    r"|findmnt|mkfs\S*|mount|mv|node|nox|npm|openssl|pip|python3?|rm|sh|sqlite3|ss|sudo|systemctl|systemd-\S+|tar|umount"
)
NAMED = re.compile(rf"(?:\w+=\S+ )*(?:{TOOLS}) [^`→]+")
DOCKERS = [{"live-restore": True}]
"""The pieces of ``daemon.json`` on the page of operations."""

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CHANGES.md", *(ROOT / "docs").rglob("*.md"))
)


def to_prose(text):
    """The lines of a page outside its fences."""
    kept, fenced = [], False
    for line in text.splitlines():
        if line.lstrip().startswith(page_blocks.FENCE):
            fenced = not fenced
            kept.append("")
        elif not fenced:
            kept.append(line)
    assert not fenced, "a fence without an end"
    return kept


def to_hidden(lines):
    """The blocks that are marked by nothing but their indentation, each by its first line."""
    return [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if re.match(r" {4}|\t", line) and not before.strip()
    ]


def to_named(lines):
    """The commands that sentences name, as far as they are literal: no placeholders, nothing in brackets."""
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", "\n".join(lines)))
    return [re.split(r" (?:\[|[A-Z]+\b|\S*…|<)", span)[0] for span in spans if NAMED.fullmatch(span)]


def all_commands():
    """All that tests run of all pages, in one text."""
    texts = (text for page in PAGES for text in page_blocks.all_blocks(page, "bash", "sh"))
    return "\n".join(" ".join(line.split()) for text in texts for line in text.splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_a_page_is_unmarked(page):
    languages = {kind for found in page_blocks.read_sections(page).values() for kind, _ in found}
    assert languages <= COMMANDS | OTHERS
    assert to_hidden(to_prose((ROOT / page).read_text())) == []


@pytest.mark.parametrize("page", PAGES)
def test_page_with_commands_is_run_by_a_test_that_reads_it(page):
    if not page_blocks.all_blocks(page, *COMMANDS):
        assert page not in RUN_BY
        return
    for name in RUN_BY[page]:
        text = (ROOT / "tests" / name).read_text()
        assert Path(page).name in text
        assert "blocks(" in text or "re.findall(" in text


@pytest.mark.parametrize("page", sorted(BY_HEADING))
def test_each_part_of_a_page_that_is_run_part_by_part_is_run(page):
    texts = "".join((ROOT / "tests" / name).read_text() for name in RUN_BY[page])
    prelude = page_blocks.all_blocks(page, "bash")[0]
    for heading, found in page_blocks.read_sections(page).items():
        if any(kind in COMMANDS and text != prelude for kind, text in found):
            assert f'"{heading}"' in texts, heading


@pytest.mark.parametrize("page", PAGES)
def test_command_in_a_sentence_stands_in_a_block_too_or_is_run_elsewhere(page):
    commands = all_commands()
    unknown = [
        named
        for named in to_named(to_prose((ROOT / page).read_text()))
        if named not in commands and named not in ELSEWHERE
    ]
    assert unknown == []


def test_tests_that_run_a_pages_commands_elsewhere_are_there():
    for name in ELSEWHERE.values():
        assert (ROOT / "tests" / name).exists()


PIECES = [
    (page, text)
    for page in PAGES
    if page != "docs/api.md"  # where they are answers
    for text in page_blocks.all_blocks(page, "json")
    if json.loads(text) not in DOCKERS
]


@pytest.mark.parametrize(("page", "text"), PIECES, ids=[page for page, _ in PIECES])
def test_piece_of_configuration_is_one_that_lightd_takes(page, text, tmp_path):
    piece = json.loads(text)
    file = {"authorization": {"token": f"lightd_{'x' * 20}"}, **piece}
    taken = sections.to_json(sections.from_json(file, tmp_path, "node"))
    for section, keys in piece.items():
        assert {key: taken[section][key] for key in keys} == keys


def test_pieces_of_configuration_are_found():
    assert [page for page, _ in PIECES] == ["docs/operations.md"] * 3 + ["docs/remote.md", "docs/sftp.md"]


def test_command_outside_of_a_block_would_be_seen():
    lines = [
        "Do this:",
        "",
        "    rm -r storage",
        "",
        "- a list",
        "    goes on",
        "or `docker stop`, `lightd ps [-q]`,",
    ]
    assert to_hidden(lines) == ["    rm -r storage"]
    assert to_named(
        [*lines, "`sudo systemctl", "stop lightd`, `docker.engine`, `call`, `A=b node x.js`"]
    ) == [
        "docker stop",
        "lightd ps",
        "sudo systemctl stop lightd",
        "A=b node x.js",
    ]
    assert to_prose("a\n```bash\nrm\n```\nb") == ["a", "", "", "b"]
    with pytest.raises(AssertionError):
        to_prose("```bash\nrm")
