"""One console and its viewers: what a delivered line costs, how old it is, and what one who stalls does.

The viewers are a process of their own, on the same two processors. Beside each figure stands a bare asyncio
server that frames every line once and writes it to everybody, and the floor: a plain loop of ``send`` over as
many sockets, at the same rate. A send wakes a reader that sleeps, and the fewer lines there are the more of
them do: below some hundred lines a second the floor alone is over 5 us a line, so the goal for single lines
is measured at ``SINGLE``, with the pace of lightd's feeds off; at that rate it would have made batches.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs

from tests.bench import figures
from tests.bench.broadcast import BARE, FLOOR, OURS, PATH, Child, Reading, open_child, open_console

YARDSTICK, LEAST = "bare asyncio", "a loop of send"
QUIET, SINGLE, BUSY, FAST = 50, 1000, 200, 5000
ROOMS = (1, 10, 100, 500)
HALL, CROWD = 100, 500
FLOOD = Reading(1000, 3.0, chunk=20, width=2000)
"""What fills the buffers of one who doesn't read: 6 MB. ``SETTLE`` comes after it."""
SETTLE = Reading(50, 1.0)

MOST_SINGLE, MOST_BATCHED = 5.0, 0.3
"""Microseconds of processor a delivered line, to ``HALL`` viewers."""
MOST_AGE = 15.0
"""Milliseconds, for 99 of 100 lines at ``QUIET`` to ``HALL`` viewers."""
MOST_LOAD = 50.0
"""Percent of a core at ``BUSY`` to ``CROWD`` viewers."""
UNCHANGED = 1.1


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

    url: str
    console: Child
    audience: Child
    viewers: int

    @contextmanager
    def joined_by(self, stalled: int) -> Iterator[None]:
        """So many more viewers, none of whom reads; they are there at the end as well."""
        if not stalled:
            yield
            return
        with open_child("tests.bench.audience", self.url, PATH, "0", str(stalled)) as audience:
            assert audience.hear() == "ready"
            yield
            audience.tell({"expect": 0})
            assert json.loads(audience.hear())["stalled"] == stalled

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
def open_house(kind: str, viewers: int) -> Iterator[House]:
    with open_console(kind) as (console, url):
        arguments = url, PATH, str(viewers), "0"
        with open_child("tests.bench.audience", *arguments) as audience:
            assert audience.hear() == "ready"
            house = House(url, console, audience, viewers)
            house.play(Reading(50, 1.0))  # the first lines find nothing in any cache
            yield house


def run(report: figures.Report, *, quick: bool) -> None:
    seconds, rounds = (1.0, 1) if quick else (4.0, 3)
    for viewers in ROOMS[:3] if quick else ROOMS:
        with (
            open_house(OURS, viewers) as ours,
            open_house(BARE, viewers) as bare,
            open_house(FLOOR, viewers) as floor,
        ):
            for reading in (
                Reading(QUIET, seconds),
                Reading(BUSY, seconds),
                Reading(FAST, seconds, chunk=50),
                *([Reading(SINGLE, seconds, single=True)] if viewers == HALL else []),
            ):
                _compare(report, (ours, bare, floor), reading, rounds)
    if quick:
        report.skip("fanout", f"{CROWD} x {BUSY} lines/s, load (goal {MOST_LOAD:g} %)", "--quick")
    _stalled(report, Reading(QUIET, seconds), 2 if quick else 6)


def _compare(report: figures.Report, houses: Sequence[House], reading: Reading, rounds: int) -> None:
    played: list[list[Outcome]] = [[] for _ in houses]

    def play(house: House, outcomes: list[Outcome]) -> float:
        outcomes.append(house.play(reading))
        return outcomes[-1].cost

    figures.in_turns(
        rounds,
        *(lambda a=house, b=outcomes: play(a, b) for house, outcomes in zip(houses, played, strict=True)),
    )
    viewers = houses[0].viewers
    name = f"{viewers} x {reading.rate:,} lines/s" + (", one by one" if reading.single else "")
    mine, theirs, least = played

    def median(outcomes: list[Outcome], field: str) -> float:
        return figures.median([getattr(outcome, field) for outcome in outcomes])

    def add(what: str, field: str, unit: str, ceiling: float | None = None) -> None:
        own, beside = median(mine, field), median(theirs, field)
        figure = figures.Figure("fanout", f"{name}, {what}", own, unit, YARDSTICK, beside, ceiling=ceiling)
        report.add(figure)

    cost = {(HALL, SINGLE): MOST_SINGLE, (HALL, FAST): MOST_BATCHED}.get((viewers, reading.rate))
    add("CPU a line", "cost", "us", cost)
    own, floor = median(mine, "cost"), median(least, "cost")
    report.add(figures.Figure("fanout", f"{name}, CPU a line / floor", own, "us", LEAST, floor))
    add("age p99", "p99", "ms", MOST_AGE if (viewers, reading.rate) == (HALL, QUIET) else None)
    add("load", "load", "%", MOST_LOAD if (viewers, reading.rate) == (CROWD, BUSY) else None)
    got = min(outcome.whole for outcome in mine) * 100
    figure = figures.Figure("fanout", f"{name}, got all", got, "%", more_is_better=True, ceiling=100)
    report.add(figure)


def _stalled(report: figures.Report, reading: Reading, rounds: int) -> None:
    """One and the same console and audience, in turns with one more who stalls, and without, twice: A/A."""
    with open_house(OURS, HALL) as house:

        def play(stalled: int) -> float:
            with house.joined_by(stalled):
                house.play(FLOOD)
                house.play(SETTLE)
                return house.play(reading).p99

        play(0)
        first, second, beside = figures.in_turns(rounds, lambda: play(0), lambda: play(0), lambda: play(1))
    name = f"{HALL} x {reading.rate} lines/s, age p99"
    for what, found, yardstick, goal in (
        ("A/A: none stalls either time", second, "the other time", None),
        ("1 more stalls", beside, "none does", UNCHANGED),
    ):
        alone = first if goal is None else first + second
        own, other = figures.median(found), figures.median(alone)
        report.add(figures.Figure("fanout", f"{name}, {what}", own, "ms", yardstick, other, goal))
