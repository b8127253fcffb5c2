import pytest

for module in ("quota_checks", "quota_scene"):
    pytest.register_assert_rewrite(f"tests.contracts.{module}")
