"""Requests that nobody would write by hand, at every route of the document."""

import pytest

from tests.api.front import TOKEN
from tests.contracts.door_checks import check_every_route_is_closed, check_no_route_takes_another_method
from tests.support.adversary import attack


def asking(edge):
    async def ask(method, path, headers):
        answer = await edge.client.request(method, edge.url + path, headers={"Accept": "", **headers})
        assert answer.headers["X-Request-Id"]
        return answer

    return ask


async def test_every_route_is_closed_to_those_without_token_or_header(edge):
    assert await check_every_route_is_closed(asking(edge), TOKEN) > 45


async def test_no_route_takes_a_method_that_the_document_lacks(edge):
    assert await check_no_route_takes_another_method(asking(edge), TOKEN) > 200


@pytest.mark.soak
async def test_what_the_document_forbids_is_refused_and_what_it_allows_is_answered_as_it_says(edge, tmp_path):
    await edge.running()
    await edge.port(25565)
    await attack(edge.url, TOKEN, tmp_path, "coverage", query__wait=0.1)
    assert (await edge.get("/api/v1/public/ping"))["status"] == "ok"


@pytest.mark.soak
async def test_requests_about_what_is_there_are_answered_as_the_document_says(edge, tmp_path):
    await edge.running()
    await edge.port(25565)
    there = {"path__internal_id": "s1", "path__volume_id": (await edge.show())["volume_id"]}
    keep = ("delete_volume", "delete_container")
    await attack(edge.url, TOKEN, tmp_path, "fuzzing", exclude=keep, query__wait=0.1, **there)
    assert (await edge.show())["internal_id"] == "s1"
