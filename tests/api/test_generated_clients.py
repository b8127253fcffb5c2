"""A stock generator makes a client of the whole document, which runs the life of a container."""

import pytest

from tests.api.front import TOKEN
from tests.support.daemon import free_port
from tests.support.fake_engine import engine
from tests.support.generated import check_life


@pytest.mark.one_python
async def test_generated_client_in_python_runs_the_life_of_a_container(api, tmp_path):
    await check_life("python", tmp_path, api.url, TOKEN, engine.RIG_IMAGE, free_port())
