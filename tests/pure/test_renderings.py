"""What is not read of large configuration files does not change what is made of them."""

import json
import random
import tomllib

import pytest
from ruamel.yaml import YAML

from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering import blocks, lines, tables, trees
from lightd.eggs.rendering.render import render
from lightd.eggs.rendering.values import Room
from tests.support.soak import times

pytestmark = pytest.mark.soak

SERVER = Server("uuid", "0.0.0.0", 25565, 1024, "172.18.0.1", {})

PIECES = [
    *(
        "port",
        "po",
        "a.b",
        "x",
        "name",
        "[port]",
        "[x]",
        "[",
        "]",
        "=",
        " = ",
        ":",
        " ",
        "\t",
        "\f",
        "\\",
        "#",
    ),
    *("!", ";", "\n", "\n", "\n", "\r\n", "\u00e9", '"', "\x1c", "\n\n", "1", "\\\n", "\\\r\n  "),
]
MATCHES = [
    "port",
    "po",
    "a.b",
    "x",
    "[port]",
    "port.x",
    "x.name",
    "[x].a.b",
    "x.port",
    "",
    " x",
    "#x",
    "new",
    "x\ny",
]


def rendered(parser, text, replacements):
    done = render(ConfigFile("a", parser, tuple(replacements)), text.encode(), SERVER)
    return done.data, done.problem, done.misfits


@pytest.mark.parametrize("parser", ["file", "properties", "ini"])
def test_lines_that_are_not_read_change_nothing(parser, monkeypatch):
    chance = random.Random(parser)
    for _ in range(times(3000)):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(0, 60)))
        replacements = [
            Replacement(
                match, chance.choice(["", "v", " w", "a\\b", "x"]), chance.choice(["", "", "1", "regex:^1"])
            )
            for match in chance.sample(MATCHES, chance.randint(1, 4))
        ]
        with monkeypatch.context() as whole:
            whole.setattr(lines, "_MOST_SOUGHT", -1)
            expected = rendered(parser, text, replacements)
        assert rendered(parser, text, replacements) == expected, (text, replacements)


KEYS = ["a", "b", "a.b", "0", "1", ", ", ":", "\u00e9", 'q"', "", "new"]
PATHS = [
    "a",
    "b",
    "a~1b",
    "a.b",
    "a.0",
    "a[1]",
    "b.a.b",
    "*.a",
    "a.*.b",
    "new.a",
    "new[0].b",
    "b.new.0.a",
    "[0]",
    "[1].a",
    "0",
]


def a_tree(chance, depth=0):
    kind = chance.random()
    if depth and (kind < 0.5 or depth > 3):
        return chance.choice([1, -2.5, True, None, "a", "", "x, y", 'q":', "\u00e9", 10**18])
    if kind < 0.75:
        return {chance.choice(KEYS): a_tree(chance, depth + 1) for _ in range(chance.randint(0, 4))}
    return [a_tree(chance, depth + 1) for _ in range(chance.randint(0, 3))]


def test_json_is_changed_in_its_places_as_it_is_in_its_tree():
    chance = random.Random("json")
    for _ in range(times(4000)):
        tree = a_tree(chance)
        indent = chance.choice([None, 1, 2, 4, "\t"])
        separators = chance.choice([(",", ":"), (", ", ": "), (" ,\n ", " :  ")])
        text = json.dumps(tree, indent=indent, separators=separators, ensure_ascii=chance.random() < 0.5)
        text = chance.choice(["", "\n ", "\ufeff"]) + text + chance.choice(["", "\n", "\r\n"])
        replacements = [
            Replacement(
                path,
                chance.choice(["1", "v", "true", "-2.5", 'q"', "\u00e9"]),
                chance.choice(["", "", "a", "1"]),
            )
            for path in chance.sample(PATHS, chance.randint(1, 4))
        ]
        before = json.loads(text.strip("\ufeff"))
        tree = tree if trees.replace(tree, replacements, Room()).changed else before
        data, problem, misfits = rendered("json", text, replacements)
        assert not problem
        assert json.loads(data.decode("utf-8-sig")) == tree, (text, replacements)
        if len(replacements) == 1:  # others can contradict one another
            assert rendered("json", data.decode(), replacements) == (data, "", misfits)


def test_json_beside_the_places_stays_as_it_is_written():
    text = '{ "a" :1,\n\t"b": [1,2 ,{"c":  null}],  "d":{},"e":[ ] , "f":{"x":1,"x":2}}\r\n'
    changed = [
        ("a", "5"),
        ("b[2].c", "v"),
        ("b[3]", "7"),
        ("d.new", "1"),
        ("e[0].y", "1"),
        ("f.x", "3"),
        ("g", "x"),
    ]
    data, _, misfits = rendered("json", text, [Replacement(*each) for each in changed])
    assert data.decode() == (
        '{ "a" :5,\n\t"b": [1,2 ,{"c":  "v"}, 7],  "d":{\n\t    "new": 1\n\t},"e":[\n\t    {\n'
        '\t        "y": 1\n\t    }\n\t] , "f":{"x":1,"x":3}, "g": "x"}\r\n'
    )
    assert misfits == ()


SCALARS = [
    "1",
    "x",
    "'a: b'",
    '"q\\" # "',
    "true",
    "0x10",
    "007",
    "a b",
    "[1, 'x']",
    "{a: 1}",
    "~",
    "",
    "a#b",
    "a:b",
    "'it''s'",
    "-1",
    "x # c",
    "|",
    "[",
    "'",
]
LINES = [
    "a: S",
    "b:",
    "  c: S",
    "  - S",
    "- S",
    "  - d: S",
    "    e: S",
    "# S",
    "  # S",
    "",
    "'q': S",
    '"q": S',
    "5: S",
    "a.b: S",
    "  S",
    "  b: S",
]
YAML_PATHS = ["a", "b.c", "b[0]", "b[1].d", "q", "5", "a~1b", "new.x", "b.*", "b.new", "z"]


def without_empty(found):
    """What is in a file; a map that is made for a path that then fits nowhere is nothing."""
    if not isinstance(found, dict):
        return found
    return {key: value for key, value in found.items() if value not in ({}, [], None)}


def to_yaml(data):
    return without_empty(YAML(typ="safe", pure=True).load(data.decode()) or {})


def test_yaml_is_changed_in_its_parts_as_it_is_as_a_whole(monkeypatch):
    chance, simple = random.Random("yaml"), 0
    for _ in range(times(1500)):
        count = chance.randint(0, 8)
        end = chance.choice(["\n", "\n", "\r\n"])
        text = (
            chance.choice(["", "", "---\n"])
            + end.join(chance.choice(LINES).replace("S", chance.choice(SCALARS)) for _ in range(count))
            + chance.choice(["", end])
        )
        replacements = [
            Replacement(
                path, chance.choice(["1", "v", "true", "a: b", "#", ""]), chance.choice(["", "", "1", "x"])
            )
            for path in chance.sample(YAML_PATHS, chance.randint(1, 3))
        ]
        with monkeypatch.context() as whole:
            whole.setattr(blocks, "is_simple", lambda _: False)
            expected, problem, misfits = rendered("yaml", text, replacements)
        if problem or not blocks.is_simple(text) or "|\r\n" in text:
            continue  # ruamel reads another text behind such a line than it wrote
        simple += 1
        data, problem, found = rendered("yaml", text, replacements)
        assert (problem, found) == ("", misfits), (text, replacements)
        assert to_yaml(data) == to_yaml(expected), (text, replacements)
    assert simple > 100


TOML_SCALARS = [
    "1",
    '"x"',
    "'y'",
    "true",
    "1979-05-27 07:32:00",
    "[1, 'x']",
    "{ a = 1 }",
    '"""a',
    "[",
    "[[1], [2]]",
    "0.5 # c",
]
TOML_LINES = [
    "a = S",
    "b.c = S",
    "[b]",
    "c = S",
    "[[l]]",
    "d = S",
    "[l.e]",
    "[x.y]",
    "[x]",
    "# S",
    "",
    "'q' = S",
    '["q"]',
    "[ b . d ]",
    "  z = S",
]
TOML_PATHS = [
    "a",
    "b.c",
    "l[0].d",
    "l[1].d",
    "x.y.c",
    "x.c",
    "q",
    "q.c",
    "new",
    "new.x",
    "b.d.c",
    "z",
    "l.*.d",
]


def test_toml_is_changed_in_its_parts_as_it_is_as_a_whole(monkeypatch):
    chance, simple = random.Random("toml"), 0
    for _ in range(times(2500)):
        lines = [
            chance.choice(TOML_LINES).replace("S", chance.choice(TOML_SCALARS))
            for _ in range(chance.randint(0, 8))
        ]
        text = "\n".join(lines) + chance.choice(["", "\n"])
        replacements = [
            Replacement(path, chance.choice(["1", "v", "true", 'q"']), chance.choice(["", "", "1", "x"]))
            for path in chance.sample(TOML_PATHS, chance.randint(1, 3))
        ]
        with monkeypatch.context() as whole:
            whole.setattr(tables, "is_simple", lambda _: False)
            expected, problem, misfits = rendered("toml", text, replacements)
        try:
            wanted = without_empty(tomllib.loads(expected.decode()))
        except tomllib.TOMLDecodeError:
            continue  # tomlkit reads more than TOML, and writes some of it
        if problem or not tables.is_simple(text):
            continue
        simple += 1
        data, problem, found = rendered("toml", text, replacements)
        assert (problem, found) == ("", misfits), (text, replacements)
        assert without_empty(tomllib.loads(data.decode())) == wanted, (text, replacements)
    assert simple > 100
