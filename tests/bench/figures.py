"""What a bench found: figures, each beside a yardstick that was measured in the same run.

A ratio outlives the machine, a time doesn't: `compare` looks at the ratio wherever there is one.
"""

import json
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs

NOISE = 0.1
"""Two runs differ by a tenth without any reason."""


@attrs.frozen
class Figure:
    """One number. ``yardstick`` says what ``beside`` is, None where there is nothing to measure it by.

    ``goal`` is what is aimed at for the ratio, or for ``value`` where there is no yardstick; ``ceiling`` for
    ``value`` in any case. Both are the highest that will do, the lowest where more is better.
    """

    bench: str
    name: str
    value: float
    unit: str
    yardstick: str | None = None
    beside: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    ceiling: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside if self.beside else None

    @property
    def judged(self) -> float:
        return self.value if self.ratio is None else self.ratio

    @property
    def reached(self) -> bool | None:
        if self.goal is not None:
            return self._will_do(self.judged, self.goal)
        return None if self.ceiling is None else self._will_do(self.value, self.ceiling)

    def _will_do(self, found: float, wanted: float) -> bool:
        return found >= wanted if self.more_is_better else found <= wanted

    def __str__(self) -> str:
        line = f"{self.bench + ': ' + self.name:<58}{shown(self.value):>9} {self.unit:<9}"
        if self.ratio is not None:
            line += f"{self.ratio:7.2f} x {self.yardstick} ({shown(self.beside)})"
        if self.reached is not None:
            wanted = f"{shown(self.ceiling)} {self.unit}" if self.goal is None else shown(self.goal)
            line += f"  [goal {wanted}: {'reached' if self.reached else 'MISSED'}]"
        return line.rstrip()


@attrs.define
class Report:
    """The figures of a run, each printed as it comes."""

    figures: list[Figure] = attrs.field(factory=list)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(figure, flush=True)

    def skip(self, bench: str, name: str, why: str) -> None:
        """Say that something isn't measured in this run, and why: nothing is left out without a word."""
        print(f"{bench + ': ' + name:<58}{'-':>9}  not measured: {why}", flush=True)

    def write(self, path: Path) -> None:
        value = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "figures": [attrs.asdict(figure) for figure in self.figures],
        }
        path.write_text(json.dumps(value, indent=1) + "\n")


def shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def read(path: Path) -> list[Figure]:
    return [Figure(**fields) for fields in json.loads(path.read_text())["figures"]]


def compare(old: Iterable[Figure], new: Iterable[Figure]) -> None:
    """Print every figure of ``new``, by its ratio where it has one, and what became of it since ``old``."""
    before = {(figure.bench, figure.name): figure for figure in old}
    for figure in new:
        earlier = before.get((figure.bench, figure.name))
        if earlier is None or not earlier.judged:
            print(f"{figure.bench + ': ' + figure.name:<58}{'-':>9} -> {shown(figure.judged):<9}")
            continue
        change = figure.judged / earlier.judged
        gain = change if figure.more_is_better else 1 / change
        word = "" if abs(gain - 1) <= NOISE else "better" if gain > 1 else "WORSE"
        unit = figure.unit if figure.ratio is None else f"x {figure.yardstick}"
        print(
            f"{figure.bench + ': ' + figure.name:<58}{shown(earlier.judged):>9} -> {shown(figure.judged):<9}"
            f"{(change - 1) * 100:+6.0f} %  {word:<7}{unit}"
        )


def in_turns(rounds: int, *measured: Callable[[], float]) -> Sequence[list[float]]:
    """Call each of ``measured`` once a round, in a changing order: what disturbs one disturbs all."""
    found: list[list[float]] = [[] for _ in measured]
    for number in range(rounds):
        order = list(enumerate(measured))
        for index, measure in reversed(order) if number % 2 else order:
            found[index].append(measure())
    return found


median = statistics.median


def quickest(found: Iterable[float]) -> float:
    """Return the median of the quickest quarter: what else the machine does has the least part in it."""
    ordered = sorted(found)
    return median(ordered[: max(1, len(ordered) // 4)])
