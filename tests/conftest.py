"""What the suites share besides their tests tells what failed as a test does, whoever imports it first."""

import pytest

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
