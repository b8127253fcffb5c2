"""Appends through the bus, from many tasks at once, beside a bare loop that writes the same rows itself."""

import sqlite3
import tempfile
import time
import uuid
from importlib import resources
from pathlib import Path

import trio

from actors.container import events
from actors.kernel.bus import Bus, open_bus
from actors.kernel.journal import Append
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal
from tests.bench import figures

EVENT = events.Started(1, 1_700_000_000.123456)
CAUSE = uuid.UUID(int=7).hex
_ADD = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


async def _append(bus: Bus, stream: str, count: int) -> None:
    for version in range(count):
        await bus.publish(Append(stream, version, (EVENT,), CAUSE))


async def _through_bus(path: Path, tasks: int, count: int) -> float:
    async with open_sqlite_journal(path, Codec(), time.time) as journal, open_bus(journal) as bus:
        begun = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(_append, bus, f"container-{number}", count)
        return tasks * count / (time.perf_counter() - begun)


def _by_hand(path: Path, rows: int, together: int) -> float:
    """Write ``rows`` of one event, so many in a commit, and return how many a second."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(resources.files("lightd.journal").joinpath("schema.sql").read_text("utf-8"))
    database.executemany(
        "INSERT INTO streams VALUES (?, ?)", [(n + 1, f"container-{n}") for n in range(together)]
    )
    kind, schema, data = Codec().encode(EVENT)
    begun = time.perf_counter()
    for first in range(0, rows, together):
        database.execute("BEGIN IMMEDIATE")
        version = first // together + 1
        database.executemany(
            _ADD,
            [(first + n, n, version, time.time(), kind, schema, data, CAUSE) for n in range(1, together + 1)],
        )
        database.execute("COMMIT")
    taken = time.perf_counter() - begun
    database.close()
    return rows / taken


def run(report: figures.Report, *, quick: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:

        def fresh() -> Path:
            return Path(folder) / f"{uuid.uuid4().hex}.db"

        for tasks, count in ((1, 500), (50, 200), (500, 20)):
            ours, bare, single = figures.in_turns(
                2 if quick else 7,
                lambda tasks=tasks, count=count: trio.run(_through_bus, fresh(), tasks, count),
                lambda tasks=tasks, count=count: _by_hand(fresh(), tasks * count, tasks),
                lambda: _by_hand(fresh(), 500, 1),
            )
            own = figures.median(ours)
            name = f"append, {tasks} at once"
            yardstick = f"bare SQLite, {tasks} a commit"
            report.add(
                figures.Figure(
                    "journal", name, own, "events/s", yardstick, figures.median(bare), more_is_better=True
                )
            )
        yardstick = "bare SQLite, 1 a commit"
        report.add(
            figures.Figure(
                "journal",
                "append, 500 at once, by single ones",
                own,
                "events/s",
                yardstick,
                figures.median(single),
                more_is_better=True,
            )
        )
