"""A daemon killed at any moment: what was acknowledged is there, whole, in its order, without a gap.

A child process publishes from many tasks through the bus and says on a pipe what was acknowledged; it is
killed at a random moment, again and again, on one and the same journal.
"""

import random
import time

from actors.container.events import InstallationFailed
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal
from tests.support.killed import output_until_killed

KILLS = 15
LONGEST = 0.2  # seconds that a child may publish

CHILD = """
import sys
import time
from pathlib import Path

import trio

from actors.container.events import InstallationFailed
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal


async def publish(bus, stream):
    version = 0
    while page := await bus.history(stream, version):
        version = page[-1].version
    while True:
        count, reason = version % 3 + 1, "x" * (version * 37 % 500)
        events = tuple(InstallationFailed(version + n, stream, reason) for n in range(count))
        records = await bus.publish(Append(stream, version, events))
        version = records[-1].version
        said = "".join(f"{one.position} {one.stream} {one.version} {one.event.attempt}\\n" for one in records)
        sys.stdout.write(said)
        sys.stdout.flush()


async def main():
    async with (
        open_sqlite_journal(Path(sys.argv[1]), Codec(), time.time) as journal,
        open_bus(journal) as bus,
        trio.open_nursery() as nursery,
    ):
        for number in range(20):
            nursery.start_soon(publish, bus, f"task-{number}")


trio.run(main)
"""


async def publish_until_killed(path, seconds, *, early):
    """What a child had acknowledged when it was killed: ``seconds`` after its first word, or its birth."""
    return [tuple(line.split()) for line in await output_until_killed(CHILD, path, seconds, early=early)]


async def read_whole(journal):
    records = []
    while page := await journal.read_all(len(records)):
        records += page
    return records


def check_whole(records):
    """See that positions and versions have no gap, and that each event is the one its task made."""
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    versions = {}
    for record in records:
        assert record.version == versions.get(record.stream, 0) + 1
        versions[record.stream] = record.version
        assert isinstance(record.event, InstallationFailed)
        assert record.event.fault == record.stream
        assert record.event.attempt == record.version - 1


def check_not_torn(records):
    """See that every append is there to its last event: task and version say how many it had."""
    by_stream = {}
    for record in records:
        by_stream.setdefault(record.stream, []).append(record)
    for stream in by_stream.values():
        version = 0
        while version < len(stream):
            count = version % 3 + 1
            appended = stream[version : version + count]
            assert [record.event.reason for record in appended] == ["x" * (version * 37 % 500)] * count
            assert appended[-1].position - appended[0].position == count - 1
            version += count


async def test_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "journal.db"
    moments = random.Random(time.time_ns())
    acknowledged = 0
    for number in range(KILLS):
        early = number % 5 == 0
        seconds = moments.uniform(0, 5 * LONGEST if early else LONGEST)
        said = await publish_until_killed(path, seconds, early=early)
        assert said or early
        async with open_sqlite_journal(path, Codec(), time.time) as journal:
            records = await read_whole(journal)
            assert journal.head == len(records)
        check_whole(records)
        check_not_torn(records)
        found = {(str(one.position), one.stream, str(one.version), str(one.event.attempt)) for one in records}
        assert set(said) <= found
        acknowledged += len(said)
    assert acknowledged <= len(records)
