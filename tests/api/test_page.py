"""What the page's script makes of the document, on as much of a browser as it needs."""

import json
from pathlib import Path

import pytest
import trio

from lightd.http.openapi import document
from lightd.http.openapi.page import to_page
from lightd.http.routes.table import SECTIONS
from tests.rig import engine

STAGE = Path(__file__).parent / "page_stage.js"
ROUTES = [route for section in SECTIONS for route in section.routes]


async def play(folder, html):
    engine.require("node")
    page = folder / "page.html"
    page.write_text(html)
    done = await trio.run_process(
        ["node", str(STAGE), str(page)], capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture
async def told(tmp_path):
    return await play(tmp_path, to_page(SECTIONS).html)


async def test_page_shows_every_route_with_its_line_and_its_errors(told):
    assert sorted(told["routes"]) == sorted(route.name for route in ROUTES)
    for route in ROUTES:
        assert document.to_sample(route) in told["text"]
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


async def test_text_of_the_document_stays_text_on_the_page(told, tmp_path):
    evil = "<img src=x onerror=alert(1)> `<b>` \\u003c/script>"
    html = to_page(SECTIONS).html.replace("Check that the daemon is running", json.dumps(evil)[1:-1])
    again = await play(tmp_path, html)
    assert "<img src=x onerror=alert(1)>" in again["text"]
    assert again["tags"] == told["tags"]
