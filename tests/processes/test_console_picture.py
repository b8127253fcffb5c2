"""The picture of a console in the README shows what lightd prints today."""

import subprocess
import sys

import pytest

from tests.support.page_blocks import ROOT

pytestmark = pytest.mark.one_python


def test_picture_in_the_readme_has_the_lines_of_a_real_session():
    command = [sys.executable, "docs/console_picture.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "](docs/images/console.svg)" in (ROOT / "README.md").read_text()


def test_picture_that_shows_other_lines_is_noticed():
    script = """
import sys
sys.path.insert(0, "docs")
import console_picture as picture
svg = picture.to_svg(["$ a <b>", "\\x1b[32mup\\x1b[0m & on"])
assert picture.read_picture(svg) == ["$ a <b>", "up & on"], svg
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
