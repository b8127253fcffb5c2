import pytest

from lightd.files.jail import open_jail


@pytest.fixture
def jail(volume_path):
    with open_jail(volume_path) as jail:
        yield jail
