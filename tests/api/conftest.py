import pytest

from tests.api.front import open_edge


@pytest.fixture
async def edge(tmp_path):
    """A served daemon on a fake engine."""
    async with open_edge(tmp_path) as edge:
        yield edge
