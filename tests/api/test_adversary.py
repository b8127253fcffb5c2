"""Requests that nobody would write by hand, at every route of the document."""

import pytest

from tests.api.front import TOKEN
from tests.contracts.door_checks import check_every_route_is_closed, check_no_route_takes_another_method
from tests.support.adversary import attack


def asking(api):
    async def ask(method, path, headers):
        answer = await api.client.request(method, api.url + path, headers={"Accept": "", **headers})
        assert answer.headers["X-Request-Id"]
        return answer

    return ask


async def test_every_route_is_closed_to_those_without_token_or_header(api):
    assert await check_every_route_is_closed(asking(api), TOKEN) > 45


async def test_no_route_takes_a_method_that_the_document_lacks(api):
    assert await check_no_route_takes_another_method(asking(api), TOKEN) > 200


@pytest.mark.soak
async def test_requests_of_the_document_are_answered_as_it_says_and_others_refused(api, tmp_path):
    await api.running()
    await api.port(25565)
    await attack(api.url, TOKEN, tmp_path, "coverage", query__wait=0.1)
    assert (await api.get("/api/v1/public/ping"))["status"] == "ok"


@pytest.mark.soak
async def test_requests_about_what_is_there_are_answered_as_the_document_says(api, tmp_path):
    await api.running()
    await api.port(25565)
    there = {"path__internal_id": "s1", "path__volume_id": (await api.show())["volume_id"]}
    keep = ("delete_volume", "delete_container")
    await attack(api.url, TOKEN, tmp_path, "fuzzing", exclude=keep, query__wait=0.1, **there)
    assert (await api.show())["internal_id"] == "s1"
