import pytest

from tests.support.doubles.process_host import opened_host


@pytest.fixture
def process_host():
    with opened_host() as host:
        yield host


@pytest.fixture
def journal_path(tmp_path):
    return tmp_path / "journal.db"
