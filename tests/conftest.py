"""Fixtures of several suites; assertions in the modules that suites share are shown as a test's are."""

import gc
import os
import signal

import pytest
import trustme

from tests.support.certificates import Authority

# Where Python is told to keep nothing compiled, each daemon and command that a test starts would compile all
# of lightd anew, which takes about as long as all else of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background with SIGINT ignored, as `tests/rig/run` does with each part. Our
# commands respect that, so tests would interrupt them in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)

for module in (
    "contracts.archive_checks",
    "contracts.crafted_checks",
    "contracts.file_checks",
    "contracts.fuzz",
    "contracts.jail_checks",
    "contracts.quota_checks",
    "contracts.upload_checks",
    "support.changing",
    "support.given",
    "support.quota_scene",
    "support.scene",
):
    pytest.register_assert_rewrite(f"tests.{module}")


def pytest_collection_finish() -> None:
    """What collecting has made stays to the end: no garbage collection looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def authority(tmp_path):
    """An authority that nobody trusts; a test has it write its certificates to ``tmp_path``."""
    return Authority(tmp_path)


@pytest.fixture
def trusted_authority(tmp_path, monkeypatch):
    """An authority that this process and the daemons it starts trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    return authority
