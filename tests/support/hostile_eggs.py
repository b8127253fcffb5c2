"""Eggs and configuration files that are made to take much time or memory, and what each of them takes.

As a program it reads them all, each in a process of its own, and prints seconds and bytes for each name.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lightd.eggs import check, formats
from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.errors import EggError
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering.lines import MOST_LINES
from lightd.eggs.rendering.markup import MOST_MARKS
from lightd.eggs.rendering.render import LARGEST, render
from lightd.eggs.rendering.trees import LARGEST_TOML, LARGEST_YAML, MOST_VALUES

MIB: Final = 1 << 20
PLAIN: Final = {
    "meta": {"version": "PTDL_v2"},
    "name": "A",
    "docker_images": {"a": "b"},
    "startup": "x",
    "config": {"stop": "^C"},
}
LETTER: Final = r"\pL"
YAML: Final = b"meta: {version: PLCN_v3}\ndocker_images: {a: b}\nstartup_commands: {a: b}\nname: "
SERVER: Final = Server("u", "0.0.0.0", 1, 1, "i", {"LONG": "x" * 1000})


def filled(begin: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    """As many units as fit between the beginning and the end."""
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


def _egg(**changes: object) -> bytes:
    return json.dumps({**PLAIN, **changes}).encode()


def _with_rules(*rules: object, default: str = "x") -> bytes:
    return _egg(
        variables=[
            {"env_variable": f"A{at}", "default_value": default, "rules": each}
            for at, each in enumerate(rules)
        ]
    )


def _with_list(unit: bytes) -> bytes:
    return filled(_egg()[:-1] + b', "x": [', unit + b",", unit + b"]}", formats.LARGEST)


def _with_pattern(number: int) -> str:
    return f"regex:/(((({LETTER}){{30}}){{30}})|{number})/"


def _with_values(path: str, values: int) -> bytes:
    return _egg(
        config={"files": {path: {"parser": "file", "find": {}, **dict.fromkeys(map(str, range(values)), 0)}}}
    )


SMALLER: Final = formats.LARGEST_YAML
EGGS: Final[dict[str, Callable[[], bytes]]] = {
    "lists": lambda: _with_list(b"[]"),
    "lists below the limit": lambda: filled(_egg()[:-1] + b', "x": [', b"[],", b"0]}", 3 * MOST_VALUES),
    "maps": lambda: _with_list(b'{"":{}}'),
    "numbers": lambda: _with_list(b"0"),
    "levels": lambda: _with_list(b"[" * 900 + b"]" * 900),
    "rules": lambda: _with_rules("a|" * (MIB // 2 - 200)),
    "rules below the limit": lambda: _with_rules("string|" * 990),
    "unknown rules of many variables": lambda: _with_rules(*["a|" * 450] * 1000),
    "parameters": lambda: _with_rules("in:" + "2," * 500_000, default="1"),
    "parameters below the limit": lambda: _with_rules("in:" + "2," * 16_000, default="1"),
    "pattern without an end": lambda: _with_rules("regex:/" + "|" * 1_000_000),
    "pattern without an end below the limit": lambda: _with_rules("regex:/" + "a/b|" * 8000),
    "patterns": lambda: _with_rules(*map(_with_pattern, range(1000))),
    "patterns below the limit": lambda: _with_rules(*map(_with_pattern, range(60))),
    "patterns and a long value": lambda: _with_rules(
        [f"regex:/({LETTER}.{{300}}){{3}}{each}$/" for each in range(60)],
        default="a" * formats.LONGEST_DEFAULT,
    ),
    "letters": lambda: _with_rules("alpha|" * 990, default="a" * formats.LONGEST_DEFAULT),
    "long path": lambda: _with_values("a" * 500_000, 900),
    "conditions": lambda: _egg(
        config={"files": {"a": {"parser": "file", "find": {"a": dict.fromkeys(map(str, range(80_000)), "")}}}}
    ),
    "placeholders": lambda: _egg(
        startup="{{A}}" * 80_000,
        variables=[{"env_variable": "A", "default_value": "a" * formats.LONGEST_DEFAULT}],
    ),
    "YAML of words": lambda: filled(YAML, b"a ", b"a", SMALLER),
    "YAML of lines": lambda: filled(YAML + b"|\n", b" a\n", b"", SMALLER),
    "YAML of blank lines": lambda: filled(YAML + b"a", b"\n", b"", SMALLER),
    "YAML with directives": lambda: filled(b"", b"%a\n", b"---\na", SMALLER),
    "YAML with a tag": lambda: filled(b"x: !", b"a", b" b", SMALLER),
    "YAML with many tags": lambda: filled(YAML + b"a\nx: [", b"!" + b"a" * 990 + b" b,", b"b]", SMALLER),
    "YAML of values": lambda: filled(YAML + b"a\nx: [", b"a,", b"a]", 2 * 9900),
}

Replaced = tuple[str, bytes, list[tuple[str, str, str]]]
LINES: Final = MOST_LINES - 10
MANY: Final = range(1000)
FILES: Final[dict[str, Callable[[], Replaced]]] = {
    "lines": lambda: ("file", b"a\n" * LINES, [(f"a{n}", "a", "") for n in range(100)]),
    "lines with patterns": lambda: ("file", b"a\n" * LINES, [("a", "a", f"regex:x{n}") for n in MANY]),
    "a line with a pattern": lambda: ("file", b"a" * MIB, [("a", "$1", "regex:(a)")] * 20),
    "slow patterns": lambda: (
        "file",
        (b"a" * 16_000 + b"\n") * 64,
        [("a", "b", f"regex:({LETTER}.{{300}}){{3}}{n}$") for n in MANY],
    ),
    "properties": lambda: ("properties", b"k\n" * LINES, [("k", "v", "")]),
    "properties with escapes": lambda: (
        "properties",
        b"a=" + b"\\a" * (MIB // 2 - 1),
        [("a", "b", "regex:Q")] * 1000,
    ),
    "long properties": lambda: ("properties", b"", [(f"a{n}", "ä" * 1000, "") for n in MANY]),
    "properties of placeholders": lambda: (
        "properties",
        b"",
        [(f"a{n}", "{{env.LONG}}" * 100, "") for n in MANY],
    ),
    "ini": lambda: ("ini", b"a=\n" * LINES, [(f"b{n}", "x", "") for n in MANY]),
    "ini with blank lines": lambda: ("ini", b"a=\n" + b"\n" * LINES, [(f"b{n}", "x", "") for n in MANY]),
    "ini of sections": lambda: ("ini", b"[]\n" * LINES, [("a", "x", "")]),
    "long ini": lambda: ("ini", b"", [(f"a{n}", "{{env.LONG}}" * 100, "") for n in MANY]),
    "JSON of lists": lambda: ("json", b"[" + b"[]," * (MOST_VALUES - 10) + b"0]", [("[0]", "b", "")]),
    "JSON of maps": lambda: ("json", b"[" + b'{"a":1},' * 49_000 + b"0]", [("*.a", "2", "")]),
    "JSON with levels": lambda: (
        "json",
        filled(b"[", b"[" * 45 + b"0,0" + b"]" * 45 + b",", b"0]", 2 * MOST_VALUES),
        [("[0]", "b", "")],
    ),
    "JSON with many levels": lambda: (
        "json",
        filled(b"[", b"[" * 900 + b"]" * 900 + b",", b"0]", MIB),
        [("[0]", "b", "")],
    ),
    "JSON with indentation": lambda: (
        "json",
        b"[\n" + b" " * 500_000 + b"1" + b",1" * 90_000 + b"]",
        [("[0]", "b", "")],
    ),
    "JSON with wildcards": lambda: ("json", b"[" + b"[]," * 99_000 + b"0]", [("*.*", "", "regex:1")] * 1000),
    "JSON with patterns": lambda: (
        "json",
        b'{"a":"' + b"a" * 16_000 + b'"}',
        [("a", "$1", f"regex:(a|{n})") for n in MANY],
    ),
    "YAML of values": lambda: (
        "yaml",
        b"a:\n" + b"".join(b" %d: 1\n" % n for n in range(4900)),
        [("a.1", "b", "")],
    ),
    "YAML with a tag": lambda: ("yaml", filled(b"a: !", b"a", b" b", LARGEST_YAML), [("a", "b", "")]),
    "YAML of comments": lambda: ("yaml", filled(b"a: 1\n", b"#\n", b"", LARGEST), [("a", "b", "")]),
    "TOML with dotted keys": lambda: (
        "toml",
        b"".join(b"a.%04x=1\n" % n for n in range(LARGEST_TOML // 9)),
        [("a.0001", "b", "")],
    ),
    "TOML of many tables": lambda: (
        "toml",
        b"".join(b"[t%06x]\na=1\n" % n for n in range(LARGEST // 14)),
        [(f"t{n:06x}.a", "2", "") for n in range(50)],
    ),
    "YAML of many keys": lambda: (
        "yaml",
        b"".join(b"k%06x: 1\n" % n for n in range(LARGEST // 11)),
        [(f"k{n:06x}", "2", "") for n in range(50)],
    ),
    "TOML of tables": lambda: ("toml", filled(b"a=[", b"{},", b"]", LARGEST_TOML), [("b", "2", "")]),
    "XML of elements": lambda: (
        "xml",
        filled(b"<r>", b"<a/>", b"</r>", 4 * MOST_MARKS),
        [("r.b", "2", "1")] * 1000,
    ),
    "XML of attributes": lambda: (
        "xml",
        filled(b"<r>", b"<a b='' c='' d=''/>", b"</r>", 6 * MOST_MARKS),
        [("r.a", "2", "1")] * 1000,
    ),
    "XML of text": lambda: (
        "xml",
        filled(b"<r>", b"<a>%080d</a>" % 0, b"</r>", LARGEST),
        [("r.a", "2", "")],
    ),
    "XML with wildcards": lambda: (
        "xml",
        filled(b"<r>", b"<a><b/><b/></a>", b"</r>", 3 * MOST_MARKS),
        [("r.*.*", "", "1")] * 1000,
    ),
}


def names() -> list[str]:
    """The names of all of them, in order."""
    return [f"egg: {name}" for name in EGGS] + [f"file: {name}" for name in FILES]


def _read(data: bytes) -> None:
    try:
        found = formats.read(data)
        check.to_report(found.egg, {})
        formats.write(found.egg)
    except EggError:
        pass


def _render(parser: str, data: bytes, replaced: list[tuple[str, str, str]]) -> None:
    render(ConfigFile("f", parser, tuple(Replacement(*each) for each in replaced)), data, SERVER)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def _measure(name: str, work: Callable[[], None]) -> None:
    if child := os.fork():
        os.waitpid(child, 0)
        return
    try:
        before, began = _status("VmRSS"), time.process_time()
        work()
        line = json.dumps([name, time.process_time() - began, _status("VmHWM") - before])
        os.write(1, f"{line}\n".encode())
    finally:
        os._exit(0)


def main() -> None:
    """Write a line of JSON for each: its name, the seconds and the bytes; no line if it raises."""
    _read(_egg())
    _read(YAML + b"a")
    for parser in ("yaml", "toml", "xml"):
        _render(parser, b"", [("a.b", "1", "")])
    for name, make in EGGS.items():
        data = make()
        assert len(data) <= formats.LARGEST, name
        _measure(f"egg: {name}", lambda data=data: _read(data))  # type: ignore[misc] # a default of a lambda
    for name, to_file in FILES.items():
        file = to_file()
        _measure(f"file: {name}", lambda file=file: _render(*file))  # type: ignore[misc] # as above


if __name__ == "__main__":
    main()
