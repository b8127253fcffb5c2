import pytest

from tests.doubles.process_host import opened_host

for module in ("quota_checks", "quota_scene"):
    pytest.register_assert_rewrite(f"tests.contracts.{module}")


@pytest.fixture
def process_host():
    with opened_host() as host:
        yield host
