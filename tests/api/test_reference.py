"""The samples of the reference do what they show, word for word; so does their order."""

import pytest

from lightd.http.routes.table import SECTIONS
from tests.api.front import TOKEN
from tests.support.fake_engine import engine
from tests.support.page_lines import check_every_line_works, check_every_sample_works, has_form


async def test_every_line_of_the_reference_works_as_it_stands(api, tmp_path):
    folder = tmp_path / "shell"
    folder.mkdir()
    routes = await check_every_line_works(api.url, TOKEN, folder, engine.RIG_IMAGE)
    assert routes == [f"{route.method} {route.path}" for section in SECTIONS for route in section.routes]


@pytest.mark.parametrize("lang", ["Python", "JavaScript"])
async def test_every_sample_in_another_language_works_as_it_stands(api, tmp_path, lang):
    tried = await check_every_sample_works(lang, api.url, TOKEN, tmp_path, engine.RIG_IMAGE)
    assert tried == sum(len(section.routes) for section in SECTIONS)


def test_answer_of_another_form_than_its_example_is_noticed():
    example = {"at": 1.5, "n": None, "data": {"run": 3}, "list": [{"text": "x"}], "on": True}
    assert has_form({"at": 2, "n": 7, "data": {}, "list": [], "on": False}, example)
    for name, value in (("at", "now"), ("list", [{"text": "x", "line": 1}]), ("on", 1), ("at", True)):
        assert not has_form({**example, name: value}, example)
    assert not has_form({**example, "more": 1}, example)
