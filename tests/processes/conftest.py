import pytest

from tests.support.doubles.process_host import opened_host


@pytest.fixture
def host():
    """A machine without Docker."""
    with opened_host() as host:
        yield host
