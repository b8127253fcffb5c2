"""Eggs: their formats, the rules of their variables, and how they change configuration files.

The public eggs and what other implementations make of them are data of other people, so they are not here:
tests of them look in ``$LIGHTD_EGGS`` or ``../shared/eggs`` and are skipped without it.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import attrs
import pytest
from lxml import etree
from ruamel.yaml import YAML

from lightd.eggs import check, formats, limits, rules
from lightd.eggs.egg import ConfigFile, Install, Replacement
from lightd.eggs.errors import EggError
from lightd.eggs.placeholders import Server, fill_command, fill_value, to_environment
from lightd.eggs.rendering import lines
from lightd.eggs.rendering.render import render
from lightd.eggs.rendering.trees import LARGEST_YAML
from lightd.eggs.rendering.values import ROOM
from tests.support import hostile_eggs, soak
from tests.support.example_egg import EGG
from tests.support.fork_server import to_unmeasured

PUBLIC = Path(os.environ.get("LIGHTD_EGGS", Path(__file__).parents[2].parent / "shared/eggs"))
SERVER = Server("u-1", "0.0.0.0", 25565, 1024, "172.18.0.1", {"MOTD": "Hi", "QUERY_PORT": "7"})
PROLOG = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\r\n<!-- c -->\r\n'
    '<!DOCTYPE r [ <!ENTITY x "]>"> <!-- ]>\' --> ]>\r\n'
)
CDATA = "<b><![CDATA[x<y]]>\r\n\xe9&x;</b>"
EPILOG = "\r\n<!-- e -->\r\n<?p q?>\r\n"
PARSERS = ("file", "properties", "ini", "json", "yaml", "toml", "xml")


def to_bytes(**changes):
    return json.dumps({**EGG, **changes}).encode()


def read_egg(**changes):
    return formats.read(to_bytes(**changes))


def with_config(**changes):
    return read_egg(config={**EGG["config"], **changes})


# ---- formats


def test_egg_is_read_with_all_that_has_an_effect():
    found = read_egg()
    egg = found.egg
    assert (found.format, found.ignored) == ("PTDL_v2", ())
    assert egg.images == EGG["docker_images"]
    assert egg.startups == {"Default": EGG["startup"]}
    assert egg.files == (
        ConfigFile("a.cfg", "properties", (Replacement("port", "{{server.build.default.port}}"),)),
    )
    assert (egg.done, egg.stop) == (("Ready",), "^C")
    assert egg.install == Install("debian", "bash", "a\nb\n")
    (variable,) = egg.variables
    assert (variable.env, variable.user_editable, variable.user_viewable) == ("NAME", True, True)
    assert [rule.name for rule in variable.rules] == ["required", "string", "max"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("", ("example.org/java:21", None)),
        ("Java 17", ("example.org/java:17", "never")),
        ("example.org/java:17", ("example.org/java:17", "never")),
        ("~example.org/other", ("example.org/other", "never")),
        ("example.org/other", ("example.org/other", None)),
    ],
)
def test_image_with_a_tilde_is_never_pulled(image, expected):
    egg = formats.read(to_bytes()).egg
    assert check.to_image(egg, image) == expected
    assert check.to_report(egg, {"NAME": "x"}, image)["image"] == expected[0]


@pytest.mark.parametrize("version", formats.FORMATS)
def test_each_format_is_read_and_written_as_the_newest(version):
    fields = {"meta": {"version": version}}
    if version == "PTDL_v1":
        fields |= {"docker_images": None, "images": ["one", "two"]}
    if version == "PLCN_v3":
        fields |= {"startup": None, "startup_commands": {"Fast": "./fast", "Slow": "./slow"}}
    found = read_egg(**fields)
    written = formats.write(found.egg)
    assert json.loads(written)["meta"]["version"] == "PLCN_v3"
    again = formats.read(written.encode())
    assert (again.egg, again.ignored) == (found.egg, ())


def test_yaml_is_read_as_json_is():
    text = (
        b"\xef\xbb\xbf"
        b"""\
meta: {version: PLCN_v3}
name: A game
docker_images: {One: one}
startup_commands:
  Default: |-
    ./run
    now
config:
  files:
    a.yml: {parser: yml, find: {a.b: true, c: {old: 5, 'regex:^x$': "{{env.MOTD}}"}}}
  startup: {done: [one, two]}
exported_at: 2026-01-18T15:38:23+00:00
tags: [a]
variables: []
"""
    )
    egg = formats.read(text).egg
    assert egg.startups == {"Default": "./run\nnow"}
    assert egg.files[0].parser == "yaml"
    assert egg.files[0].replacements == (
        Replacement("a.b", "true"),
        Replacement("c", "5", "old"),
        Replacement("c", "{{env.MOTD}}", "regex:^x$"),
    )
    assert formats.read(formats.write(egg).encode()).egg == egg
    assert (egg.done, egg.install, egg.tags) == (("one", "two"), None, ("a",))


def test_field_without_effect_is_reported():
    variable = {
        **EGG["variables"][0],
        "colour": "red",
        "rules": ["required", "exists:users", "regex:/(?=a)/"],
    }
    found = read_egg(
        image="data:image/png;base64,AA==",
        extra=1,
        meta={"version": "PTDL_v2", "by": "me"},
        scripts={"installation": {**EGG["scripts"]["installation"], "timeout": 5}, "update": "x"},
        variables=[variable, {**variable, "colour": None}],
        config={
            **EGG["config"],
            "logs": '{"custom": true}',
            "startup": {"done": "x", "userInteraction": ["y"]},
            "files": {"a": {"parser": "file", "find": {}, "mode": 1}},
        },
    )
    assert found.ignored == (
        "image",
        "extra",
        "meta.by",
        "config.logs",
        "config.files.a.mode",
        "config.startup.userInteraction",
        "scripts.update",
        "scripts.installation.timeout",
        "variables[0].colour",
        "variables[0].rules: exists:users",
        "variables[0].rules: regex:/(?=a)/",
        "variables[1]",
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"meta": {"version": "PTDL_v9"}}, "meta.version: must be one of PTDL_v1, "),
        ({"meta": 5}, r"meta: must be an object \(got 5\)"),
        ({"name": " "}, "name: is missing"),
        ({"name": ["x"]}, "name: must be a text"),
        ({"name": "a\0b"}, "name: must not contain the character NUL"),
        ({"name": "\ud800"}, "name: contains half of a surrogate pair"),
        ({"docker_images": {}}, "docker_images: must name at least one image"),
        ({"startup": ""}, "startup: is missing"),
        ({"tags": ["x"] * 1001}, r"tags: must not have more than 1000 entries \(got 1001\)"),
        (
            {"scripts": {"x": 1} | {str(n): 1 for n in range(1000)}},
            "scripts: must not have more than 1000 entries",
        ),
        ({"variables": {"a": 1}}, "variables: must be a list of at most 1000 variables"),
        (
            {"variables": [{"env_variable": "A=B"}]},
            r"variables\[0\].env_variable: must be the name of an env",
        ),
        (
            {"variables": [{"env_variable": "A", "user_editable": "x"}]},
            "user_editable: must be true or false",
        ),
        ({"scripts": {"installation": {"script": "x"}}}, "scripts.installation.container: is missing"),
        ({"config": {"files": "{"}}, r"config.files: is not valid JSON \(.*line 1\)"),
        ({"config": {"files": '{"a": NaN}'}}, "config.files: is not valid JSON"),
        ({"config": {"files": "[" * 50_000}}, "config.files: has too many levels"),
        ({"config": {"files": {"a": {"parser": "exe"}}}}, "config.files.a.parser: must be one of file, ini"),
        ({"config": {"files": {"a": {}}}}, "config.files.a.parser: is missing"),
        ({"extra": json.loads("[" * 21 + "]" * 21)}, "the file has more than 20 levels"),
        ({"extra": [[]] * 100_001}, "has more than 100000 lists and maps"),
        ({str(n): 1 for n in range(1001)}, "must not have more than 1000 fields without effect"),
        (
            {"variables": [{"env_variable": "A", "rules": "max:1|" * 6000}]},
            r"variables\[0\].rules: the rules of all variables must not be more than 1000 with 32768 char",
        ),
        (
            {"variables": [{"env_variable": str(n), "rules": ["regex:/a/"] * 33} for n in range(2)]},
            r"variables\[1\].rules: .* and 64 regular expressions",
        ),
        (
            {"variables": [{"env_variable": "A", "default_value": "a" * 8193}]},
            "default_value: must not have more than 8192 characters",
        ),
        (
            {"config": {"files": {"a": {"parser": "file", "find": {"b": dict.fromkeys(range(1001), "")}}}}},
            "config.files.a.find.b: must not have more than 1000 entries",
        ),
    ],
)
def test_wrong_field_is_named(changes, problem):
    with pytest.raises(EggError, match=problem):
        read_egg(**changes)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x" * (formats.LARGEST + 1), "must not be larger than 1048576 bytes"),
        (b"\xff", "not UTF-8: byte 0"),
        (b"a: b: c", "neither JSON nor YAML: .* in line 1"),
        (b"{", "is not valid JSON"),
        (b"5", "must contain an object"),
        (b"a: &a [x]\nb: [*a, *a]", r"aliases such as \*a are not allowed"),
        (b"a: " + b"[" * 21, "must not have more than 20 levels"),
        (b"a: [" + b"x," * 10_001 + b"]", "must not have more than 20 levels and 10000 values"),
        (b"a: !!python/object:os.system x", "neither JSON nor YAML"),
        (b"a: " + b"x" * formats.LARGEST_YAML, "must not be larger than 524288 characters in YAML"),
        (b"a: !" + b"x" * 1000, "directives and long tags of YAML are not allowed"),
        (b"%x\n---\na: b", "directives and long tags of YAML are not allowed"),
    ],
)
def test_file_that_is_no_egg_is_refused(data, problem):
    with pytest.raises(EggError, match=problem):
        formats.read(data)


def test_single_image_of_the_oldest_format_is_an_image_and_a_picture_is_none():
    assert read_egg(docker_images=None, image="one").egg.images == {"one": "one"}
    with pytest.raises(EggError, match="docker_images"):
        read_egg(docker_images=None, image="data:image/png;base64,AA==")


# ---- rules


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("required|in:1,2", "01", True),  # PHP compares numbers
        ("in:a,b", "c", False),
        ("not_in:a", "a", False),
        ("required", " ", False),
        ("nullable|integer", "", True),
        ("integer", "010", False),
        ("int", "9223372036854775808", False),
        ("bool", "1", True),
        ("numeric|max:10", "1e1", True),
        ("numeric|max:10", "11", False),
        ("string|max:3", "äöü", True),
        ("max:10", "11", True),  # two characters
        ("between:2,3|string", "abcd", False),
        ("gt:0", "x", False),
        ("gte:1", "1", True),
        ("lt:1|numeric", "0.5", True),
        ("lte:1|numeric", "2", False),
        ("size:2", "ab", True),
        ("min:3|numeric", "2", False),
        ("digits:2", "12", True),
        ("digits_between:1,2", "123", False),
        ("alpha", "aä", True),
        ("alpha_num", "a-", False),
        ("alpha_dash", "a-_1", True),
        ("url", "https://example.org/a?b#c", True),
        ("url", "example.org", False),
        ("email", "a@b", True),
        ("ip", "::1", True),
        ("ipv4", "::1", False),
        ("ipv6", "x", False),
        ("starts_with:a,b", "bc", True),
        ("ends_with:==", "a=", False),
        ("accepted", "", False),
        ("filled|sometimes|bail|present", "x", True),
        ("regex:/^(a|b)$/|required", "b", True),
        ("required|regex:/^(a|b)$/i", "C", False),
        ("regex:#^a#", "ab", True),
        ("not_regex:/^a$/", "a\n", False),  # PHP's $ matches before a last newline
        ("regex:/a/x", "b", True),  # a flag that RE2 does not have: not checked
        ("regex:/(/", "b", True),
        ("between:1", "b", True),  # Laravel needs two numbers: not checked
        ("max:x", "b", True),
        ("exists:users", "b", True),
    ],
)
def test_rule_is_checked_as_laravel_does(text, value, fits):
    assert (rules.find_violated(rules.parse(text), value) is None) is fits


def test_every_rule_has_a_sentence():
    for text in ("required", "numeric", "in:a,b", "max:5"):
        (rule,) = rules.parse(text)
        assert rules.to_sentence(rule).startswith("must ")


# ---- placeholders and reports


def test_placeholders_are_filled_old_names_too():
    text = "{{server.build.default.port}} {{ server.allocations.default.ip }} {{env.MOTD}} "
    text += "{{server.build.env.MOTD}} {{server.environment.SERVER_PORT}} {{server.build.memory}} "
    text += "{{config.docker.interface}} {{QUERY_PORT}}"
    assert fill_value(text, SERVER) == "25565 0.0.0.0 Hi Hi 25565 1024 172.18.0.1 7"
    assert fill_value("{{server.x}}|{{config.x}}|{{x}}|{{}}", SERVER) == "|{{config.x}}|{{x}}|{{}}"
    portless = attrs.evolve(SERVER, port=None)
    assert fill_value("{{server.build.default.port}}", portless) == ""


def test_commands_see_the_environment():
    environment = to_environment(SERVER, "./run", "Europe/Prague")
    assert environment["SERVER_PORT"] == "25565"
    assert (
        fill_command("{{SERVER_PORT}} {{ MOTD }} {{NOT}} ${MOTD}", environment) == "25565 Hi {{NOT}} ${MOTD}"
    )
    assert to_environment(attrs.evolve(SERVER, port=None), "", "UTC")["SERVER_PORT"] == ""


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("stop", check.Stop(command="stop")),
        ("^C", check.Stop(signal="SIGINT")),
        ("^^c", check.Stop(signal="SIGINT")),
        ("^SIGKILL", check.Stop(signal="SIGKILL")),
        ("^term", check.Stop(signal="SIGTERM")),
        ("", check.Stop(command="")),
    ],
)
def test_stop_is_a_command_or_a_signal(text, stop):
    assert check.to_stop(text) == stop


def test_report_says_what_would_be_created_and_what_is_missing():
    egg = read_egg().egg
    report = check.to_report(egg, {})
    assert report["image"] == "example.org/java:21"
    assert report["missing"] == {"NAME": "must have a value"}
    assert report["hints"].keys() == {"eula"}
    given = check.to_report(egg, {"NAME": "Bob"}, "Java 17")
    assert (given["image"], given["missing"]) == ("example.org/java:17", {})
    assert given["startup_command"] == "./game --port {{SERVER_PORT}} --name Bob {{UNKNOWN}}"
    assert check.to_report(read_egg(scripts={}).egg, {})["install"] is None


def test_given_values_must_fit():
    egg = read_egg().egg
    with pytest.raises(check.UnfitError) as refused:
        check.to_report(egg, {"NAME": "Roberta", "X": "1"})
    assert refused.value.mistakes == {
        "X": "the egg has no such variable",
        "NAME": "must satisfy the rule max:5 (got 'Roberta')",
    }
    long = egg.variables[0].env
    for value, problem in (
        ("x" * (limits.LONGEST_VALUE + 1), "must not be longer than 8192 characters (got 8193)"),
        ("a\0", "must not contain a NUL character"),
    ):
        with pytest.raises(check.UnfitError, match="NAME: must not") as refused:
            check.to_values(egg, {long: value})
        assert refused.value.mistakes == {"NAME": problem}


def test_values_of_all_variables_are_limited_together():
    many = [{"name": "", "env_variable": f"V{n}", "default_value": "x" * 8192} for n in range(16)]
    with pytest.raises(check.UnfitError, match="must not have more than 131072 characters together"):
        check.to_values(read_egg(variables=many).egg, {})
    assert check.to_values(read_egg(variables=many[1:]).egg, {})[1] == {}


def test_fields_of_a_container_follow_from_the_egg():
    assert check.to_fields(read_egg().egg) == {
        "image": "example.org/java:21",
        "startup_command": "./game --port {{SERVER_PORT}} --name {{NAME}} {{UNKNOWN}}",
        "entrypoint": "image",
        "start_texts": ["Ready"],
        "file_denylist": [],
        "stop": {"type": "signal", "value": "SIGINT", "timeout": 30},
        "install": {"image": "debian", "entrypoint": "bash", "script": "a\nb\n"},
    }


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("", ("example.org/java:21", None)),
        ("Java 17", ("example.org/java:17", "never")),
        ("~Java 17", ("Java 17", "never")),
        ("my/own:1", ("my/own:1", None)),
    ],
)
def test_image_is_one_of_the_egg_or_any_other(image, expected):
    fields = check.to_fields(read_egg().egg, image)
    assert (fields["image"], fields.get("pull")) == expected


@pytest.mark.parametrize(
    ("stop", "policy"),
    [
        ("", ("signal", "SIGTERM")),
        ("stop", ("command", "stop")),
        ("^C", ("signal", "SIGINT")),
        ("^^C", ("signal", "SIGINT")),
        ("^SIGQUIT", ("signal", "SIGQUIT")),
    ],
)
def test_stop_of_an_egg_is_a_command_or_a_signal(stop, policy):
    found = check.to_fields(with_config(stop=stop).egg)["stop"]
    assert (found["type"], found["value"]) == policy


def test_ready_texts_can_be_expressions_and_commands_can_be_chosen_by_name():
    egg = read_egg(
        meta={"version": "PLCN_v3"},
        startup_commands={"Default": "./a", "Other": "./b"},
        config={**EGG["config"], "startup": {"done": ["up", "regex:^a|b$", "regex:c"]}},
    ).egg
    fields = check.to_fields(egg)
    assert (fields["start_texts"], fields["start_pattern"]) == (["up"], "(?:^a|b$)|(?:c)")
    assert check.to_fields(egg, command="Other")["startup_command"] == "./b"
    assert check.to_fields(egg, command="./c")["startup_command"] == "./c"
    with pytest.raises(EggError, match="must be a command or"):
        check.to_report(with_config(stop="^SIGNOT").egg, {"NAME": "Bob"})


# ---- configuration files


def changed(parser, text, *replacements, server=SERVER):
    file = ConfigFile("f", parser, tuple(Replacement(*each) for each in replacements))
    rendered = render(file, text.encode(), server)
    again = render(file, rendered.data, server)
    assert again.data == rendered.data
    assert not rendered.problem
    return rendered.data.decode()


@pytest.mark.parametrize(
    ("parser", "text", "replacements", "expected"),
    [
        ("file", "port 1\r\nx\r\n", [("port", "port {{env.QUERY_PORT}}")], "port 7\r\nx\r\n"),
        ("file", "a=1\na=2", [("a", "a=3", "2")], "a=1\na=3"),
        ("file", "a\n", [("b", "b")], "a\n"),
        ("properties", "# c\n a : 1 \n\n! d\nb 2\n", [("a", "x"), ("b", "y")], "# c\n a : x\n\n! d\nb y\n"),
        ("properties", "a=1\\\n  2\nb=3\n", [("a", "5"), ("c", "6")], "a=5\nb=3\nc=6\n"),
        ("properties", "a=1", [("b=", " ä\\\n")], "a=1\nb\\==\\ \\u00e4\\\\\\n\n"),
        ("properties", "k\n", [("k", "v")], "k=v\n"),
        ("properties", "a\\u0041=\\u00e4\\t\n", [("aA", "ä\t")], "a\\u0041=\\u00e4\\t\n"),
        ("properties", "a=1\n", [("a", "2", "5"), ("#b", "3")], "a=1\n\\#b=3\n"),
        ("properties", "a=\\\r\n 1\\x\n", [("a", "1x")], "a=\\\r\n 1\\x\n"),
        ("properties", "a=x\\", [("b", "1")], "a=x\\\n\nb=1\n"),
        ("properties", "a=\\", [("a", "1")], "a=1"),
        ("properties", "", [("a", "\U0001f600")], "a=\\ud83d\\ude00\n"),
        ("ini", "; c\nx = 1\n\n[s]\n; d\na=1\n\n[t]\n", [("s.a", "2"), ("s.b", "3"), ("x", "4")],
         "; c\nx = 4\n\n[s]\n; d\na=2\nb=3\n\n[t]\n"),
        ("ini", "", [("[a.b].c.d", "1"), ("[/Script/X].y", "2\n3")], "[a.b]\nc.d=1\n[/Script/X]\ny=2 3\n"),
        ("ini", "[s]\nnot a pair\nk: v  ", [("s.k", "v"), ("s.z", "1")], "[s]\nnot a pair\nk: v  \nz=1\n"),
        ("ini", "[s]", [("s.k", "v"), ("t.k", "w")], "[s]\nk=v\n[t]\nk=w\n"),
        ("ini", "a = 1", [("b", "2"), ("s.c", "3")], "a = 1\nb = 2\n[s]\nc=3\n"),
        ("json", '{"a": "1", "b": 1, "c": true, "d": null}',
         [("a", "2"), ("b", "2"), ("c", "false"), ("d", "5"), ("e", "0001")],
         '{"a": "2", "b": 2, "c": false, "d": 5, "e": "0001"}'),
        ("json", '{\n  "a": {"b": 1}\n}', [("a.b", "x"), ("n~1m.0.k", "1.5")],
         '{\n  "a": {"b": "x"},\n  "n.m": [\n    {\n      "k": 1.5\n    }\n  ]\n}'),
        ("json", "", [("l[0].h", "x"), ("l[1]", "y")],
         '{\n    "l": [\n        {\n            "h": "x"\n        },\n        "y"\n    ]\n}\n'),
        ("json", "\ufeff{}\r\n", [("a", "")], '\ufeff{"a": ""}\r\n'),
        ("json", '{"a":[1,2]}', [("a.*", "2")], '{"a":[2,2]}'),
        ("json", '{"a":1}', [("a", "1"), ("b", "x", "5")], '{"a":1}'),
        ("yaml", "a: 1 # c\ns:\n    l:\n        h: 'x:1'\n",
         [("s.*.h", "{{config.docker.interface}}$2", "regex:^(x)(:\\d+)?$")],
         "a: 1 # c\ns:\n    l:\n        h: '172.18.0.1:1'\n"),
        ("yaml", "l:\n- a: 1\n", [("l[0].a", "2"), ("l[1].a", "true"), ("5", "007")],
         "l:\n- a: 2\n- a: true\n'5': '007'\n"),
        ("yaml", "5: x\n", [("5", "y")], "5: y\n"),
        ("yaml", "", [("a.b", "x")], "a:\n  b: x\n"),
        ("toml", "# c\n[a]\nb = 1 # d\n", [("a.b", "2"), ("a.c", "x"), ("e.f", "true")],
         '# c\n[a]\nb = 2 # d\nc = "x"\n\n[e]\nf = true\n'),
        ("xml", '<?xml version="1.0"?>\n<r>\n  <!-- c -->\n  <a>1</a>\n</r>\n',
         [("r.a", "2"), ("r.b.c", "3"), ("r.a", "[x='1']")],
         '<?xml version="1.0"?>\n<r>\n  <!-- c -->\n  <a x="1">2</a>\n  <b>\n    <c>3</c>\n  </b>\n</r>\n'),
        ("xml", "", [("r.a", "1")], '<?xml version="1.0"?>\n<r>\n  <a>1</a>\n</r>\n'),
        ("xml", "<r><a/><a/></r>", [("r.*", "1"), ("*.a", "2", "1")], "<r><a>2</a><a>2</a></r>\n"),
        ("xml", f"{PROLOG}{f'<r><a>1</a>{CDATA}</r>'}{EPILOG}", [("r.a", "2")],
         f"{PROLOG}{f'<r><a>2</a>{CDATA}</r>'}{EPILOG}"),
        ("xml", "\ufeff<r><a>1</a></r>  ", [("r.a", "2")], "\ufeff<r><a>2</a></r>  "),
        ("xml", '<r xmlns="urn:x"><a>1</a></r>', [("r.b", "1")], '<r xmlns="urn:x"><a>1</a><b>1</b></r>\n'),
    ],
)  # fmt: skip
def test_file_is_changed_and_the_rest_of_it_stays(parser, text, replacements, expected):
    assert changed(parser, text, *replacements) == expected


@pytest.mark.parametrize(
    ("parser", "text", "match", "misfits"),
    [
        ("json", '{"a": 5}', "a.b", ("a.b",)),
        ("json", '{"a": []}', "a[3].b", ("a[3].b",)),
        ("json", '{"a": []}', "a.x", ("a.x",)),
        ("json", '{"a": 5}', ".".join("a" * 60), (".".join("a" * 60),)),
        ("json", '{"a": {"b": 1}}', "a[", ("a[",)),
        ("xml", "<r/>", "s.a", ("s.a",)),
        ("xml", "<r/>", "r.1", ("r.1",)),
        ("xml", "", "1.a", ("1.a",)),
        ("xml", "<r><a><b/></a></r>", "r.a", ()),
        ("xml", "<r/>", "r.*.a", ()),
    ],
)
def test_replacement_that_does_not_fit_is_reported(parser, text, match, misfits):
    file = ConfigFile("f", parser, (Replacement(match, "x"),))
    rendered = render(file, text.encode(), SERVER)
    assert (rendered.data == text.encode()) is (match != "a[")
    assert rendered.misfits == (misfits if match != "a[" else ())


@pytest.mark.parametrize(
    ("parser", "data", "problem"),
    [
        ("json", b"x", "is not valid JSON"),
        ("json", b"5", "must contain an object or a list"),
        ("json", b"[" * 100_000, "is not valid JSON"),
        ("json", b"[" * 100_001, "has more than 100000 lists and maps"),
        ("json", b"[" * 60 + b"]" * 60, "has more than 50 levels or 100000 values"),
        ("json", b"[" + b"0," * 100_000 + b"0]", "has more than 50 levels or 100000 values"),
        ("ini", b"\n" * 100_001, "has more than 100000 lines"),
        ("json", b"\xff", "is not UTF-8"),
        ("json", b" " * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
        ("yaml", b"a: b: c", "is not valid YAML"),
        ("yaml", b"5", "must contain a map or a list"),
        ("yaml", b"a: &x 1\nb: *x", "has the alias *x"),
        ("yaml", b"a: 1\n---\nb: 1\n", "has more than one document"),
        ("yaml", b"[" * 60, "has more than 50 levels or 10000 values"),
        ("yaml", b"a" * (LARGEST_YAML + 1), "has more than 131072 characters that must be parsed"),
        (
            "toml",
            b"a = [\n" + b"1,\n" * 30_000 + b"]\n",
            "has more than 65536 characters that must be parsed",
        ),
        ("yaml", b"k:\n" + b"  a: 1\n" * 20_000, "has more than 131072 characters that must be parsed"),
        ("toml", b"a = ", "is not valid TOML"),
        ("xml", b"<a>", "is not valid XML"),
        ("xml", b"<!DOCTYPE r [ <?p '?> ]><r/>", "has a document type or an instruction"),
        ("xml", b"<r/><?p a?b?>", "has a document type or an instruction"),
        ("xml", b"<a>" + b"<b/>" * 100_000 + b"</a>", "has more than 100000 tags or attributes"),
        ("xml", b"<a" + b" b=''" * 100_001 + b"/>", "has more than 100000 tags or attributes"),
        ("xml", b"<a>" * 1000, "is not valid XML"),
        ("file", b"a\n" * 2000, f"would become {ROOM} characters longer"),
        ("json", b"[" + b"1," * 2000 + b"1]", f"would become {ROOM} characters longer"),
        ("xml", b"<a>" + b"<b/>" * 2000 + b"</a>", f"would become {ROOM} characters longer"),
    ],
)
def test_file_that_cannot_be_changed_stays_and_says_why(parser, data, problem):
    value = "x" * 1000
    replacements = (Replacement("a", value), Replacement("*", value), Replacement("a.*", value))
    rendered = render(ConfigFile("f", parser, replacements), data, SERVER)
    assert rendered.data == data
    assert rendered.problem.startswith(problem)


@pytest.mark.parametrize("parser", [parser for parser in PARSERS if parser != "file"])
def test_new_keys_add_no_more_than_there_is_room_for(parser):
    file = ConfigFile("f", parser, tuple(Replacement(f"r.a{n}", "x" * 1100) for n in range(1000)))
    assert render(file, b"", SERVER).problem.startswith(f"would become {ROOM} characters longer")


def test_text_with_long_values_of_variables_is_refused():
    server = attrs.evolve(SERVER, variables={"A": "x" * 1000})
    rendered = render(ConfigFile("f", "ini", (Replacement("a", "{{env.A}}" * 200),)), b"", server)
    assert rendered.problem == "a text would have more than 131072 characters with its placeholders filled in"
    variable = {"env_variable": "A", "default_value": "x" * 1000}
    with pytest.raises(EggError, match="more than 131072 characters"):
        check.to_report(read_egg(startup="{{A}}" * 200, variables=[variable]).egg, {})


def test_bytes_that_are_not_utf8_stay():
    file = ConfigFile("f", "properties", (Replacement("a", "1"),))
    assert render(file, b"# \xff\nb=\xe4\n", SERVER).data == b"# \xff\nb=\xe4\na=1\n"


@pytest.mark.parametrize(
    ("value", "condition", "present", "new"),
    [
        ("$1-${1}-$$-$x-$9", "regex:^(a)", "ab", "a-a-$--b"),
        ("x", "regex:(", "a", "a"),
        ("x", "regex:" + "a" * 1001, "a", "a"),
        ("x" * 3000, "regex:a", "a" * 3000, "a" * 3000),
        ("x", "regex:b", "a", "a"),
    ],
)
def test_condition_may_be_a_pattern(value, condition, present, new):
    file = ConfigFile("f", "json", (Replacement("k", value, condition),))
    rendered = render(file, json.dumps({"k": present}).encode(), SERVER)
    assert json.loads(rendered.data) == {"k": new}


# ---- hostile files

SEEDS = {
    "file": "port 1\nname x\n",
    "properties": "# c\na=1\\\n  2\nb : \\u00e4\n",
    "ini": "; c\nx = 1\n[s]\na=1\n",
    "json": '{"a": {"b": [1, {"c": null}]}, "d": "x"}',
    "yaml": "a: 1 # c\ns:\n  l:\n  - h: 'x'\n",
    "toml": '# c\n[a]\nb = 1\n[[c]]\nd = "x"\n',
    "xml": '<?xml version="1.0"?>\n<r><a x="1">1</a><!-- c --></r>\n',
}
ALPHABET = "a1.[]{}()<>=:,-\"'\\\n\r\t #&*!|%@`~$/^+?_;é\x00\x85\u2028\ud7ff"


def mutated(chance, text):
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(text) + 1)
        piece = "".join(chance.choices(ALPHABET, k=chance.randrange(6))) * chance.choice((1, 1, 1, 40))
        text = text[:at] + piece + text[at + chance.randrange(4) :]
    return text


@pytest.mark.soak
def test_no_mutation_of_a_file_or_an_egg_breaks_anything():
    chance = random.Random(20261130)
    eggs = [
        to_bytes(),
        formats.write(read_egg().egg).encode(),
        b"meta: {version: PLCN_v3}\nname: x\nstartup: y\n",
    ]
    for number in range(10_000 * soak.FACTOR):
        began = time.process_time()
        if number % 5 == 0:
            with contextlib.suppress(EggError):
                formats.read(mutated(chance, chance.choice(eggs).decode()).encode())
        else:
            parser = chance.choice(PARSERS)
            matches = [mutated(chance, chance.choice(("a.b", "s.*.h", "r.a", "l[0].x"))) for _ in range(3)]
            conditions = ("", "1", "regex:(1|x)")
            replacements = tuple(
                Replacement(match, mutated(chance, "{{env.MOTD}}$1"), chance.choice(conditions))
                for match in matches
            )
            render(ConfigFile("f", parser, replacements), mutated(chance, SEEDS[parser]).encode(), SERVER)
        assert time.process_time() - began < 2


@pytest.mark.one_python
def test_hostile_egg_or_file_takes_little_time_and_memory():
    command = [sys.executable, "-m", "tests.support.hostile_eggs"]
    done = subprocess.run(
        command, capture_output=True, check=True, cwd=Path(__file__).parents[2], env=to_unmeasured()
    )
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in measured] == hostile_eggs.names()
    assert [(name, seconds) for name, seconds, _ in measured if seconds > 6] == []  # on an idle core: 1.3
    assert [(name, size) for name, _, size in measured if size > 64 << 20] == []


# ---- the public eggs


def public(name):
    if not (PUBLIC / name).exists():
        pytest.skip(f"the public eggs are not in {PUBLIC} (LIGHTD_EGGS names another folder)")
    return PUBLIC / name


def public_eggs():
    with tarfile.open(public("eggs.tar.xz")) as archive:
        for member in archive:
            if member.isfile() and not member.name.endswith("LICENSE"):
                yield member.name, archive.extractfile(member).read()


def test_public_eggs_are_read_checked_and_come_back(tmp_path):
    count, broken = 0, []
    for name, data in public_eggs():
        found = formats.read(data)
        assert formats.read(formats.write(found.egg).encode()).egg == found.egg, name
        assert check.to_report(found.egg, {})["image"], name
        assert not [field for field in found.ignored if "rules" in field], name
        if not is_bash(tmp_path, found.egg.install.script):
            broken.append(name)
            assert not is_bash(tmp_path, json.loads(data)["scripts"]["installation"]["script"]), name
        count += 1
    assert (count, len(broken)) == (731, 3)


def is_bash(folder, script):
    (folder / "script").write_bytes(script.encode())
    return subprocess.run(["bash", "-n", folder / "script"], capture_output=True, check=False).returncode == 0


def test_rules_of_public_eggs_are_judged_as_laravel_does():
    cases = [json.loads(line) for line in public("variable-rules.jsonl").read_text().splitlines()]
    judged = [rules.find_violated(rules.parse(case["rules"]), case["value"]) is None for case in cases]
    assert judged == [case["valid"] for case in cases]


def test_configuration_files_of_public_eggs_get_the_values_of_other_implementations():
    for line in public("config-files.jsonl").read_text().splitlines():
        case = json.loads(line)
        parser = {"yml": "yaml"}.get(case["parser"], case["parser"])
        replacements = [
            (each["match"], to_plain_text(each["replace_with"]), each.get("if_value", ""))
            for each in case["replace"]
        ]
        text = changed(parser, case["input"], *replacements, server=attrs.evolve(SERVER, variables={}))
        expected = [case[name]["output"] for name in ("pelican", "pterodactyl") if "error" not in case[name]]
        assert to_values(parser, text) in [to_values(parser, each) for each in expected], case


def to_plain_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def to_values(parser, text):
    """What is in a file; in JSON and YAML, texts that are written like a number of JSON are one."""
    match parser:
        case "json" | "yaml":
            plain = json.loads(text) if parser == "json" else YAML(typ="safe", pure=True).load(text)
            return to_typed(plain)
        case "properties":
            return {
                entry.key: lines._unescape(entry.value) for entry in entries_of(lines._read_properties(text))
            }
        case "ini":
            return {
                (section.name, entry.key): entry.value
                for section in lines._read_ini(text)
                for entry in section.entries()
            }
        case "xml":
            return to_element(etree.fromstring(text.encode()))
        case _:
            return text


def entries_of(parts):
    return [part for part in parts if not isinstance(part, str)]


def to_element(element):
    return (
        element.tag,
        dict(element.attrib),
        (element.text or "").strip(),
        [to_element(each) for each in element],
    )


def to_typed(value):
    """As the README of the data says: ``name[0]`` is a list, and texts are numbers where JSON has one."""
    if isinstance(value, dict):
        typed = {}
        for name, each in value.items():
            base, bracket, _ = name.partition("[")
            if bracket:
                typed.setdefault(base, []).append(to_typed(each))
            else:
                typed[name] = to_typed(each)
        return typed
    if isinstance(value, list):
        return [to_typed(each) for each in value]
    if isinstance(value, str) and value[:2] not in ("00", "0x"):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value
