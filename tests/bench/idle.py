"""A thousand containers with nothing to do: what each holds, and how soon a restarted daemon serves them.

On the fake engine, which is in the same process: tracemalloc can leave it out, the resident memory can't.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from tests.bench import figures
from tests.bench.node import Node, Past, open_node, write

MANY = 1000
MOST_KIB = 64
MOST_SECONDS = 3.0


def run(report: figures.Report, *, quick: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        for running in (False, True):
            name = "running" if running else "offline"
            one, many = Past(1, running=running), Past(MANY, running=running)
            places = [_written(Path(folder), f"{name}-{past.containers}", past) for past in (one, many)]
            _weigh(report, name, list(zip(places, (one, many), strict=True)))
            _restart(report, name, list(zip(places, (one, many), strict=True)), 1 if quick else 5)
        old = Past(MANY, runs=20)
        place = _written(Path(folder), "old", old)
        one = (Path(folder) / "offline-1", Past(1))
        _restart(report, f"with {len_of(old)} events each", [one, (place, old)], 1 if quick else 3)


def len_of(past: Past) -> int:
    return 4 + 5 * past.runs


def _written(folder: Path, name: str, past: Past) -> Path:
    place = folder / name
    place.mkdir()
    trio.run(write, place, past)
    return place


def _measured(place: Path, past: Past, measure: Callable[[Node], float], *, traced: bool = False) -> float:
    with open_node(place, past, traced=traced) as node:
        return measure(node)


def _weigh(report: figures.Report, name: str, nodes: list[tuple[Path, Past]]) -> None:
    ways = (
        ("resident, the fake engine included", Node.resident, False),
        ("in Python's objects", Node.traced, True),
    )
    for what, measure, traced in ways:
        one, many = (_measured(place, past, measure, traced=traced) for place, past in nodes)
        each = (many - one) / (MANY - 1) / 1024
        report.add(figures.Figure("idle", f"{name}: each, {what}", each, "KiB", goal=MOST_KIB))


def _restart(report: figures.Report, name: str, nodes: list[tuple[Path, Past]], rounds: int) -> None:
    one, many = figures.in_turns(
        rounds, *(partial(_measured, place, past, lambda node: node.ready) for place, past in nodes)
    )
    report.add(
        figures.Figure("idle", f"{name}: {MANY:,} served after", figures.median(many), "s", goal=MOST_SECONDS)
    )
    report.add(
        figures.Figure(
            "idle",
            f"{name}: {MANY:,} served after, in proportion",
            figures.median(many),
            "s",
            "a single one",
            figures.median(one),
        )
    )
