"""What the suites share besides their tests tells what failed as a test does, whoever imports it first."""

import gc
import os

import pytest

# Where Python is told to keep nothing compiled, each daemon and command that a test starts would compile all
# of lightd anew, which takes about as long as all else of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

for module in (
    "archive_checks",
    "crafted_checks",
    "file_checks",
    "fuzz",
    "jail_checks",
    "quota_checks",
    "quota_scene",
    "scene",
    "upload_checks",
):
    pytest.register_assert_rewrite(f"tests.contracts.{module}")


def pytest_collection_finish() -> None:
    """What collecting has made stays to the end: no garbage collection looks through it again."""
    gc.collect()
    gc.freeze()
