"""The document and its reference, held against the real daemon on a real engine."""

import httpx
import pytest

from tests.contracts.door_checks import check_every_route_is_closed, check_no_route_takes_another_method
from tests.rig import engine
from tests.support.adversary import attack
from tests.support.daemon import TOKEN
from tests.support.page_lines import check_every_line_works, check_every_sample_works

PULLING = ("create_container", "reinstall_container")  # images that nobody has are looked for far away


async def test_every_route_of_the_daemon_is_closed_and_takes_its_own_methods_alone(daemon):
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def ask(method, path, headers):
            return await client.request(method, daemon.url + path, headers={"Accept": "", **headers})

        assert await check_every_route_is_closed(ask, TOKEN) > 45
        assert await check_no_route_takes_another_method(ask, TOKEN) > 200


LEFT = {"lightd-server-002": "created"}
"""The container of the routes of variables, which the page does not delete."""


async def test_every_line_of_the_reference_works_on_a_real_engine(daemon, tmp_path):
    folder = tmp_path / "shell"
    folder.mkdir()
    assert len(await check_every_line_works(daemon.url, TOKEN, folder, engine.IMAGE)) > 45
    assert daemon.in_docker() == LEFT


@pytest.mark.parametrize("lang", ["Python", "JavaScript"])
async def test_every_sample_in_another_language_works_on_a_real_engine(daemon, tmp_path, lang):
    folder = tmp_path / "samples"
    folder.mkdir()
    assert await check_every_sample_works(lang, daemon.url, TOKEN, folder, engine.IMAGE) > 45
    assert daemon.in_docker() == LEFT


@pytest.mark.soak
async def test_server_that_runs_stays_whole_while_its_node_is_asked_nonsense(daemon, tmp_path):
    await daemon.create("s1")
    await daemon.power("start")
    volume = (await daemon.show())["volume_id"]
    there = {"path__internal_id": "s1", "path__volume_id": volume, "query__wait": 0.1}
    keep = (*PULLING, "delete_container", "delete_volume")
    await attack(
        daemon.url, TOKEN, tmp_path, "fuzzing", tags=("Node", "Ports", "Containers"), exclude=keep, **there
    )
    assert (await daemon.show())["volume_id"] == volume
    assert (await daemon.power("start"))["status"] == "succeeded"
    assert '"level":"error"' not in daemon.log.read_text()
