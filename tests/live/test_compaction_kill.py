"""Compaction that is killed at any moment: nothing acknowledged is lost, and all adds up to the same."""

import os
import random
import time

from actors.container.decider import DECIDER
from actors.kernel.actor import View, advance, replay
from actors.kernel.bus import open_bus
from actors.kernel.journal import Recorded
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal
from tests.support.given import BEGIN, CRASHING, a_crash
from tests.support.killed import output_until_killed

KILLS = int(os.environ.get("LIGHTD_JOURNAL_KILLS", "8"))

CHILD = """
import sys, time
from pathlib import Path
import trio
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append
from lightd.journal import compaction
from lightd.journal.codec import Codec
from lightd.journal.compaction import Compactor
from lightd.journal.sqlite import open_sqlite_journal
from tests.support.given import BEGIN, CRASHING, a_crash

compaction.KEPT, compaction.SLACK, compaction.STEP = 20, 5, 10
compaction.EVERY, compaction.PAUSE_FACTOR = 0.001, 0.1

async def main():
    async with (
        open_sqlite_journal(Path(sys.argv[1]), Codec(), time.time) as journal,
        open_bus(journal) as bus,
        trio.open_nursery() as nursery,
    ):
        rows = await journal.look("SELECT coalesce(max(version), 0) FROM records")
        version = rows[0][0]
        nursery.start_soon(Compactor(journal, bus, Codec(), time.time).run)
        while True:
            events = BEGIN if version == 0 else a_crash((version - 4) // 4 + 1)
            version = (await bus.publish(Append(CRASHING, version, events)))[-1].version
            print(version, flush=True)

trio.run(main)
"""


async def work_until_killed(path, seconds):
    """The last version that a child had acknowledged when it was killed."""
    said = await output_until_killed(CHILD, path, seconds)
    return int(said[-1])


def add_up(versions):
    """The state that so many records of the stream add up to, had none been condensed."""
    view, run = View(DECIDER.initial), 0
    events = list(BEGIN)
    while len(events) < versions:
        run += 1
        events += a_crash(run)
    for number, event in enumerate(events[:versions], start=1):
        view = advance(DECIDER, view, Recorded(number, CRASHING, number, 0.0, event))
    return view.state


async def test_kill_in_the_middle_of_compaction_loses_nothing(tmp_path):
    path, moments = tmp_path / "journal.db", random.Random(13)
    condensed = 0
    for _ in range(KILLS):
        acknowledged = await work_until_killed(path, moments.uniform(0.0, 0.6))
        async with open_sqlite_journal(path, Codec(), time.time) as journal, open_bus(journal) as bus:
            view = await replay(DECIDER, bus, CRASHING)
            assert view.version >= acknowledged
            assert view.version == view.position == journal.head
            assert view.state == add_up(view.version)
            [[count, first]] = await journal.look("SELECT count(*), min(version) FROM records")
            assert count == view.version - first + 1
            condensed = max(condensed, first)
    assert condensed > 1
