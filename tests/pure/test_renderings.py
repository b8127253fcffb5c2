"""What is not read of large configuration files does not change what is made of them."""

import random

import pytest

from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering import lines
from lightd.eggs.rendering.render import render
from tests.support.soak import times

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
