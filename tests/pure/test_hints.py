"""Which hints are found in what a console shows."""

import pytest

from actors.container.hints import HINTS, TEXTS, find
from lightd.engines.patterns import compile_pattern


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, hint in HINTS.items() for text in hint.texts]
)
def test_text_gives_its_hint_and_the_search_sees_it(name, text):
    line = f"[12:00:01] [Server thread/INFO]: {text}. ".encode()
    assert find(line) == [name]
    assert compile_pattern(None, TEXTS)(b"before\n" + line + b"\nafter")


@pytest.mark.parametrize("line", [b"", b"Done (1.2s)! For help, type help", b"eula.txt", b"Java 21"])
def test_other_line_gives_none(line):
    assert find(line) == []
    assert not compile_pattern(None, TEXTS)(line)
