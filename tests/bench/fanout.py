"""One console and its viewers: what a delivered line costs, how old it is, and what one who stalls does.

The viewers are a process of their own, on the same two processors. Beside each figure stands a bare asyncio
server that frames every line once and writes it to everybody.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from tests.bench import figures
from tests.bench.broadcast import BARE, OURS, PATH, Child, Reading, open_child, open_console

YARDSTICK = "bare asyncio"
QUIET, BUSY, FAST = 50, 200, 5000
ROOMS = (1, 10, 100, 500)
FLOOD = Reading(2000, 2.0, chunk=20, width=2000)
"""What fills the buffers of one who doesn't read: 8 MB. ``SETTLE`` comes after it."""
SETTLE = Reading(50, 2.0)


@attrs.frozen
class Outcome:
    """``cost`` is the server's microseconds of processor a delivered line, ``load`` its part of one."""

    cost: float
    load: float
    p99: float
    whole: float


@attrs.define
class House:
    """A console with its viewers."""

    console: Child
    audience: Child
    viewers: int

    def play(self, reading: Reading) -> Outcome:
        self.console.tell(attrs.asdict(reading))
        cpu = float(self.console.hear())
        self.audience.tell({"expect": reading.lines})
        found = json.loads(self.audience.hear())
        return Outcome(
            cpu * 1e6 / max(1, found["received"]),
            cpu / reading.seconds * 100,
            found["p99"],
            found["whole"] / self.viewers,
        )


@contextmanager
def open_house(kind: str, viewers: int, stalled: int = 0) -> Iterator[House]:
    with open_console(kind) as (console, url):
        arguments = url, PATH, str(viewers), str(stalled)
        with open_child("tests.bench.audience", *arguments) as audience:
            assert audience.hear() == "ready"
            house = House(console, audience, viewers)
            house.play(Reading(50, 1.0))  # the first lines find nothing in any cache
            yield house


def run(report: figures.Report, *, quick: bool) -> None:
    seconds, rounds = (1.0, 1) if quick else (4.0, 2)
    for viewers in ROOMS[:3] if quick else ROOMS:
        with open_house(OURS, viewers) as ours, open_house(BARE, viewers) as bare:
            for reading in (
                Reading(QUIET, seconds),
                Reading(BUSY, seconds),
                Reading(FAST, seconds, chunk=50),
            ):
                _compare(report, ours, bare, reading, rounds)
    _stalled(report, Reading(QUIET, seconds), 2 * rounds - 1)


def _compare(report: figures.Report, ours: House, bare: House, reading: Reading, rounds: int) -> None:
    played: tuple[list[Outcome], list[Outcome]] = ([], [])

    def play(house: House, outcomes: list[Outcome]) -> float:
        outcomes.append(house.play(reading))
        return outcomes[-1].cost

    figures.in_turns(rounds, lambda: play(ours, played[0]), lambda: play(bare, played[1]))
    name = f"{ours.viewers} x {reading.rate:,} lines/s"
    mine, theirs = played

    def median(outcomes: list[Outcome], field: str) -> float:
        return figures.median([getattr(outcome, field) for outcome in outcomes])

    def add(what: str, field: str, unit: str) -> None:
        beside = median(theirs, field)
        report.add(figures.Figure("fanout", f"{name}, {what}", median(mine, field), unit, YARDSTICK, beside))

    add("CPU a line", "cost", "us")
    add("age p99", "p99", "ms")
    add("load", "load", "%")
    got = min(outcome.whole for outcome in mine) * 100
    report.add(figures.Figure("fanout", f"{name}, got all", got, "%", more_is_better=True))


def _stalled(report: figures.Report, reading: Reading, rounds: int) -> None:
    def play(stalled: int) -> float:
        with open_house(OURS, 100, stalled) as house:
            house.play(FLOOD)
            house.play(SETTLE)
            return house.play(reading).p99

    found = figures.in_turns(rounds, lambda: play(0), lambda: play(1))
    alone, beside = map(figures.median, found)
    name = f"100 x {reading.rate} lines/s, age p99, 1 more stalls"
    report.add(figures.Figure("fanout", name, beside, "ms", "none does", alone))
