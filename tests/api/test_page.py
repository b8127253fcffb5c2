"""What the page's script makes of the document, on as much of a browser as it needs."""

import json
from pathlib import Path

import pytest
import trio

from lightd.http.openapi import document, samples
from lightd.http.openapi.page import to_page
from lightd.http.routes.table import SECTIONS
from tests.rig import engine

pytestmark = pytest.mark.one_python

STAGE = Path(__file__).parent / "page_stage.js"
ROUTES = [route for section in SECTIONS for route in section.routes]


ADDRESS = "http://node:8070/docs#start_container"


async def play(folder, html, *arguments):
    engine.require("node")
    page = folder / "page.html"
    page.write_text(html)
    done = await trio.run_process(
        ["node", str(STAGE), str(page), *(arguments or (ADDRESS,))],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return trio.run(play, tmp_path_factory.mktemp("page"), to_page(SECTIONS).html)


async def test_page_shows_every_route_with_its_line_and_its_errors(told):
    assert sorted(told["routes"]) == sorted(route.name for route in ROUTES)
    for route in ROUTES:
        for sample in samples.to_samples(route):
            assert sample["source"] in told["text"]
        for code in route.errors:
            assert code in told["text"]
    for schema in document.to_document(SECTIONS)["components"]["schemas"]:
        assert schema in told["text"]
    assert "url=http://node:8070" in told["text"]


async def test_every_link_of_the_page_leads_to_a_place_in_it(told):
    assert set(told["links"]) <= set(told["ids"])
    assert len(told["links"]) > len(ROUTES)
    assert len(set(told["ids"])) == len(told["ids"])


async def test_place_in_the_address_is_opened_and_the_keyboard_is_there(told):
    assert (told["opened"], told["focused"]) == (True, "summary")
    assert told["slash"]


async def test_search_goes_by_every_word_and_is_undone(told):
    assert told["none"] == []
    assert "revive_container" in told["found"]
    assert len(told["found"]) < 20
    assert told["escaped"] == len(ROUTES)


async def test_words_of_a_search_are_marked_in_what_it_finds_until_it_ends(told):
    assert told["marked"] == ["revive"]
    assert told["unfolded"]
    assert (told["sections"], told["restored"]) == (1, 0)
    assert told["marks"] == 0
    assert told["same"]


async def test_samples_are_shown_in_one_language_everywhere(told):
    assert len(told["shell"]) == len(told["python"])
    assert any("curl" in each for each in told["shell"])
    assert not any("curl" in each for each in told["python"])
    assert "import httpx" in told["python"][0]


async def test_table_of_contents_is_folded_on_a_phone_and_there(told, tmp_path):
    assert told["contents"]
    phone = await play(tmp_path, to_page(SECTIONS).html, ADDRESS, "narrow")
    assert not phone["contents"]
    assert set(phone["links"]) == set(told["links"])


async def test_everything_is_unfolded_on_paper(told):
    assert told["printed"] == len(ROUTES)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://panel.example/nodes/1/docs", "https://panel.example/nodes/1"),
        ("https://panel.example/nodes/1/docs/?q#ping", "https://panel.example/nodes/1"),
        ("http://[::1]:8070/docs", "http://[::1]:8070"),
    ],
)
async def test_address_on_the_page_is_the_one_that_it_was_fetched_from(tmp_path, address, base):
    told = await play(tmp_path, to_page(SECTIONS).html, address)
    assert f"This daemon's address: {base}." in told["text"]
    assert f"url={base} token=" in told["text"]
    assert f'"{base.replace("http", "ws", 1)}/ws/server-001?token=' in told["text"]
    assert samples.ADDRESS not in told["text"]


async def test_large_numbers_on_the_page_are_exact(told):
    for largest in (2**62, 2**60, 10**18 - 1):
        assert f"to {largest}" in told["text"]


async def test_page_shows_the_websocket_with_its_parameters_frames_and_close_codes(told):
    socket = document.to_document(SECTIONS)["x-websocket"]
    assert "ws://node:8070/ws/{internal_id}" in told["text"]
    for part in ("query", "closed", "server", "client"):
        for name, each in socket[part].items():
            assert f"{name}" in told["text"]
            assert (each if isinstance(each, str) else each["description"]).replace("`", "") in told["text"]


async def test_page_shows_an_example_of_every_response(told):
    for operations in document.to_document(SECTIONS)["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    if "example" in content and not isinstance(content["example"], str):
                        assert json.dumps(content["example"], indent=2, ensure_ascii=False) in told["text"]


async def test_text_of_the_document_stays_text_on_the_page(told, tmp_path):
    evil = "<img src=x onerror=alert(1)> `<b>` \\u003c/script>"
    html = to_page(SECTIONS).html.replace("Check that the daemon is running", json.dumps(evil)[1:-1])
    again = await play(tmp_path, html)
    assert "<img src=x onerror=alert(1)>" in again["text"]
    assert again["tags"] == told["tags"]
