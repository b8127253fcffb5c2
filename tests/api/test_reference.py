"""The lines of the reference do what they show, word for word; so does its order."""

from lightd.http.routes.table import SECTIONS
from tests.api.front import TOKEN
from tests.support.fake_engine import engine
from tests.support.page_lines import check_every_line_works


async def test_every_line_of_the_reference_works_as_it_stands(api, tmp_path):
    folder = tmp_path / "shell"
    folder.mkdir()
    routes = await check_every_line_works(api.url, TOKEN, folder, engine.RIG_IMAGE)
    assert routes == [f"{route.method} {route.path}" for section in SECTIONS for route in section.routes]
