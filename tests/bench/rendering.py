"""Configuration files of one MiB before a start: the CPU time of each parser, and the delay of the loop.

The ten files are one of each of the seven parsers, and a second one of properties, YAML and JSON. The loop is
measured while a whole preparation reads, renders and writes them, beside the same loop without one.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from actors.container.spec import EggUse
from lightd import daemon
from lightd.eggs.egg import ConfigFile, Egg, Replacement
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering.render import render
from lightd.files.volumes import VolumeFolders
from lightd.preparation import Preparation
from tests.bench import figures
from tests.support import builders

BENCH: Final = "rendering"
SIZE: Final = 1 << 20
GOAL_TOGETHER: Final = 200.0
GOAL_DELAY: Final = 5.0
ROUNDS, ROUNDS_QUICK = 5, 2
TICK: Final = 0.001

SERVER: Final = Server("uuid", "0.0.0.0", 25565, 1024, "172.18.0.1", {})
VALUES: Final = {
    "port": "{{server.build.default.port}}",
    "motd": "A new message",
    "query.on": "true",
    "new": "7",
}


def _fill(head: str, part: Callable[[int], str], tail: str = "") -> str:
    pieces, size, number = [head], len(head) + len(tail), 0
    while size < SIZE - 400:
        pieces.append(part(number))
        size += len(pieces[-1])
        number += 1
    return "".join(pieces) + tail


def _properties() -> str:
    return _fill("port=1\nmotd=x\nquery.on=false\n", lambda n: f"# comment\nkey.{n}=some value {n}\n")


def _ini() -> str:
    return _fill(
        "[main]\nport=1\nmotd=x\n[query]\non=0\n", lambda n: f"[s{n}]\n; comment\nname=Name {n}\nvalue={n}\n"
    )


def _text() -> str:
    return _fill("port 1\nmotd x\n", lambda n: f'set key_{n} "some value {n}"\n')


def _json() -> str:
    sections = {
        f"s{n}": {"name": f"Name {n}", "value": n, "list": [1, 2.5, "x"], "on": True} for n in range(7000)
    }
    tree = {"main": {"port": 1, "motd": "x", "query": {"on": False}}, **sections}
    return json.dumps(tree, indent=2)[: 2 * SIZE]


def _yaml() -> str:
    head = "# comment\nmain:\n  port: 1 # the port\n  motd: x\n  query:\n    on: false\n"
    part = (
        "s{0}:\n  # comment\n  name: 'Name {0}'\n  value: {0}\n  list:\n  - 1\n  - two\n  deep:\n    on: 1\n"
    )
    return _fill(head, part.format)


def _xml() -> str:
    head = '<?xml version="1.0"?>\n<main>\n  <port>1</port>\n  <motd>x</motd>\n  <query>\n'
    part = "  <s{0}>\n    <name>Name {0}</name>\n    <value>{0}</value>\n  </s{0}>\n"
    return _fill(f"{head}    <on>false</on>\n  </query>\n", part.format, "</main>\n")


def _toml() -> str:
    head = '[main]\nport = 1 # the port\nmotd = "x"\n\n[main.query]\non = false\n'
    part = '\n[s{0}]\n# comment\nname = "Name {0}"\nvalue = {0}\nlist = [1, 2, 3]\n'
    return _fill(head, part.format)


MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "file": _text,
    "properties": _properties,
    "ini": _ini,
    "json": _json,
    "yaml": _yaml,
    "xml": _xml,
    "toml": _toml,
}
TEN: Final = (*MAKERS, "properties", "yaml", "json")


def to_file(parser: str, path: str = "a") -> ConfigFile:
    """A configuration file with four values to change."""
    prefix = {"file": "", "properties": ""}.get(parser, "main.")
    values = VALUES.items()
    if parser == "file":
        return ConfigFile(path, parser, tuple(Replacement(key, f"{key} {value}") for key, value in values))
    return ConfigFile(path, parser, tuple(Replacement(f"{prefix}{key}", value) for key, value in values))


def _cost(file: ConfigFile, data: bytes) -> float:
    """Milliseconds of CPU time."""
    begun = time.thread_time()
    rendered = render(file, data, SERVER)
    took = time.thread_time() - begun
    assert not rendered.problem, (file.parser, rendered.problem)
    assert rendered.data != data
    return took * 1000


def run(report: figures.Report, *, quick: bool = False) -> None:
    """Measure each parser, ten files, and the loop."""
    rounds = ROUNDS_QUICK if quick else ROUNDS
    costs: dict[str, float] = {}
    for parser, make in MAKERS.items():
        data = make().encode()
        costs[parser] = min(_cost(to_file(parser), data) for _ in range(rounds))
        name = f"{len(data) / SIZE:.2f} MiB of {parser}"
        report.add(figures.Figure(BENCH, name, costs[parser], "ms of CPU"))
    together = sum(costs[parser] for parser in TEN)
    report.add(figures.Figure(BENCH, "ten files", together, "ms of CPU", ceiling=GOAL_TOGETHER))
    sys.setswitchinterval(daemon.GIVE_WAY)
    quiet = trio.run(_delay, None)
    with tempfile.TemporaryDirectory() as folder:
        busy = trio.run(_delay, Path(folder))
    yardstick = "without one"
    report.add(
        figures.Figure(
            BENCH,
            "longest delay of the loop in a preparation",
            busy,
            "ms",
            yardstick,
            quiet,
            ceiling=GOAL_DELAY,
        )
    )


async def _delay(folder: Path | None) -> float:
    """Return the longest delay of a tick, in milliseconds, while ten files are prepared, or for a second."""
    longest, done = 0.0, trio.Event()

    async def tick() -> None:
        nonlocal longest
        while not done.is_set():
            due = time.perf_counter() + TICK
            await trio.sleep(TICK)
            longest = max(longest, time.perf_counter() - due)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        if folder is None:
            await trio.sleep(1)
        else:
            await _prepare(folder)
        done.set()
    return longest * 1000


async def _prepare(folder: Path) -> None:
    volume = "a3f1c2d4-0000-4000-8000-5e6f708192a3"
    (folder / volume).mkdir()
    files = [to_file(parser, f"{number}.{parser}") for number, parser in enumerate(TEN)]
    for file in files:
        (folder / volume / file.path).write_text(MAKERS[file.parser]())
    egg = Egg("game", {"x": "x"}, {"x": "x"}, files=tuple(files))

    async def read(_egg_id: str, _version: str) -> Egg:
        return egg

    said: list[str] = []
    preparation = Preparation(VolumeFolders(folder), read, lambda: "172.18.0.1")
    await preparation.prepare(builders.a_spec("s1", volume_id=volume, egg=EggUse("game", "v1")), said.append)
    assert len(said) == len(files), said
