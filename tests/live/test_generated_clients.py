"""Clients that stock generators make of the document run the life of a container on a real engine."""

import pytest

from tests.rig import engine
from tests.support.daemon import TOKEN, free_port
from tests.support.generated import MAKERS, check_life


# The one in Python is made, and runs, in tests/api.
@pytest.mark.parametrize("language", sorted(MAKERS.keys() - {"python"}))
async def test_generated_client_runs_the_life_of_a_container(daemon, tmp_path, language):
    folder = tmp_path / "client"
    folder.mkdir()
    await check_life(language, folder, daemon.url, TOKEN, engine.IMAGE, free_port())
    assert daemon.in_docker() == {}
