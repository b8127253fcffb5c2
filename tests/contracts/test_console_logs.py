"""The contract of console logs, over the one in memory and the one on disk; and what only a disk does."""

import os
import resource
import stat
from pathlib import Path

import pytest
import trio

from actors.container.console.log import LogUnavailable, Tail
from lightd.consoles.log import NEW, OLD, DiskConsoleLog
from tests.contracts import console_log_checks
from tests.contracts.console_log_checks import Bench, entry, read
from tests.support.doubles.memory import MemoryConsoleLog

CHECKS = {name: check for name, check in vars(console_log_checks).items() if name.startswith("check_")}
BOUND = 10_000


@pytest.mark.parametrize("name", CHECKS)
async def test_log_in_memory(name):
    log = MemoryConsoleLog()
    await CHECKS[name](Bench(log, lambda: log))


@pytest.mark.parametrize("name", CHECKS)
async def test_log_on_disk(name, tmp_path):
    await CHECKS[name](Bench(DiskConsoleLog(tmp_path / "logs"), lambda: DiskConsoleLog(tmp_path / "logs")))


@pytest.fixture
def disk_log(tmp_path):
    return DiskConsoleLog(tmp_path / "logs", BOUND)


async def fill(log, first, last, at_once=10):
    for number in range(first, last + 1, at_once):
        lines = [f"line {n}" for n in range(number, min(number + at_once, last + 1))]
        assert await log.append([entry(number, *lines)]) == {}


async def test_log_in_memory_is_bounded_too():
    log = MemoryConsoleLog(bound=100)
    await fill(log, 1, 1000)
    found = await read(log, "s1", 10_000, 10_000)
    assert found == [(n, f"line {n}") for n in range(901, 1001)]


async def test_log_takes_a_bounded_place_and_holds_the_newest(disk_log):
    await fill(disk_log, 1, 5000)
    folder = disk_log.root / "s1"
    assert sorted(path.name for path in folder.iterdir()) == [NEW, OLD]
    assert all(path.stat().st_size <= BOUND for path in folder.iterdir())
    found = await read(disk_log, "s1", 10_000, 10_000)
    assert found == [(n, f"line {n}") for n in range(found[0][0], 5001)]
    assert sum(len(f"{n} {text}\n") for n, text in found) > BOUND / 2


async def test_any_page_of_a_long_log_is_found(tmp_path):
    log = DiskConsoleLog(tmp_path / "logs")
    await log.append([entry(1, *["x" * 10_000] * 20)])
    await fill(log, 21, 30_000, at_once=500)
    await log.append([entry(40_000, *["y"] * 5000, missed=9999)])
    for before in (
        1,
        2,
        15,
        21,
        22,
        500,
        9_999,
        20_001,
        29_999,
        30_001,
        35_000,
        40_000,
        40_001,
        44_999,
        10**6,
    ):
        found = await read(log, "s1", before, 3)
        numbers = [n for n in (*range(1, 30_001), *range(40_000, 45_000)) if n < before][-3:]
        assert [number for number, _ in found] == numbers


async def test_end_of_a_log_is_found_across_its_two_files(disk_log):
    await fill(disk_log, 1, 700)
    assert (disk_log.root / "s1" / OLD).exists()
    newer = (disk_log.root / "s1" / NEW).stat().st_size
    assert newer < BOUND
    tail = await DiskConsoleLog(disk_log.root).restore("s1")
    assert list(tail.lines) == [f"line {n}" for n in range(701 - len(tail.lines), 701)]
    assert len(tail.lines) > 300
    (disk_log.root / "s1" / NEW).unlink()  # killed between the two steps of a rotation
    tail = await DiskConsoleLog(disk_log.root).restore("s1")
    assert 0 < tail.last < 700


async def test_restore_of_a_long_log_reads_only_its_end(tmp_path):
    log = DiskConsoleLog(tmp_path / "logs")
    await log.append([entry(1, *[f"{n} {'x' * 1000}" for n in range(1, 1000)]), entry(1000, "1000")])
    tail = await DiskConsoleLog(log.root).restore("s1")
    assert 200 < len(tail.lines) < 300
    assert [line.split()[0] for line in tail.lines] == [str(n) for n in range(1001 - len(tail.lines), 1001)]


async def test_only_the_daemon_s_user_reads_a_log(disk_log):
    await fill(disk_log, 1, 1)
    assert stat.S_IMODE(disk_log.root.stat().st_mode) == 0o700
    assert stat.S_IMODE((disk_log.root / "s1").stat().st_mode) == 0o700
    assert stat.S_IMODE((disk_log.root / "s1" / NEW).stat().st_mode) == 0o600


def open_files():
    return [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]


async def test_log_leaves_no_file_open(disk_log):
    await fill(disk_log, 1, 2000)
    await disk_log.restore("s1")
    assert not any(str(disk_log.root) in path for path in open_files())


@pytest.mark.parametrize("cut", range(1, 60))
async def test_half_written_record_is_dropped_wherever_it_was_cut(disk_log, cut):
    await fill(disk_log, 1, 3, at_once=1)
    file = disk_log.root / "s1" / NEW
    data = file.read_bytes()
    file.write_bytes(data[:-cut])
    disk_log = DiskConsoleLog(disk_log.root)
    tail = await disk_log.restore("s1")
    assert list(tail.lines) == [f"line {n}" for n in range(1, tail.last + 1)]
    await fill(disk_log, tail.last + 1, 4, at_once=1)
    assert await read(disk_log, "s1", 9, 9) == [(n, f"line {n}") for n in range(1, 5)]


@pytest.mark.parametrize(
    "garbage", [b"\0" * 5000, b"\0\n" * 400, b"nonsense\n3 three\n#read x\n#read\n9" * 3]
)
async def test_garbage_of_a_power_failure_is_passed_over(disk_log, garbage):
    await fill(disk_log, 1, 3)
    with (disk_log.root / "s1" / NEW).open("ab") as file:
        file.write(garbage)
    disk_log = DiskConsoleLog(disk_log.root)
    assert (await disk_log.restore("s1")).last == 3
    await fill(disk_log, 4, 4)
    assert [line.number for line in await disk_log.read("s1", 99, 99)] == [1, 2, 3, 4]


async def test_file_without_any_end_is_begun_anew(disk_log):
    folder = disk_log.root / "s1"
    folder.mkdir(parents=True)
    (folder / NEW).write_bytes(b"x" * 600_000)
    await fill(disk_log, 1, 1)
    assert (folder / NEW).read_bytes().startswith(b"#read")


async def test_full_disk_is_told_and_leaves_no_half_of_an_entry(disk_log):
    await fill(disk_log, 1, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = disk_log.root / "s1" / NEW
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, hard))
    try:
        failed = await disk_log.append(
            [entry(4, *["x" * 50] * 10), entry(14, "y"), entry(1, "z", internal_id="s2")]
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed == {"s1": "File too large"}
    assert [line.number for line in await disk_log.read("s1", 99, 99)] == [1, 2, 3]
    assert (await disk_log.restore("s2")).last == 1
    await fill(disk_log, 4, 4)
    assert [line.number for line in await disk_log.read("s1", 99, 99)] == [1, 2, 3, 4]


async def test_files_that_somebody_took_away_are_made_again(disk_log):
    await fill(disk_log, 1, 3)
    (disk_log.root / "s1" / NEW).unlink()
    await fill(disk_log, 4, 4)
    (disk_log.root / "s1" / NEW).unlink()
    (disk_log.root / "s1").rmdir()
    assert (await disk_log.append([entry(5, "five")])).keys() == {"s1"}
    await fill(disk_log, 5, 5)
    assert await read(disk_log, "s1", 9, 9) == [(5, "line 5")]


async def test_log_that_can_t_be_read_says_so(disk_log):
    disk_log.root.write_text("no folder")
    for call in (disk_log.restore("s1"), disk_log.read("s1", 9, 9), disk_log.remove("s1")):
        with pytest.raises(LogUnavailable, match="Not a directory"):
            await call
    assert (await disk_log.append([entry(1, "one")])).keys() == {"s1"}
    await disk_log.sweep([])


async def test_link_in_place_of_a_log_is_not_followed(disk_log, tmp_path):
    (disk_log.root / "s1").mkdir(parents=True)
    (tmp_path / "target").write_text("1 secret\n")
    (disk_log.root / "s1" / NEW).symlink_to(tmp_path / "target")
    with pytest.raises(LogUnavailable):
        await disk_log.restore("s1")
    assert (await disk_log.append([entry(1, "one")])).keys() == {"s1"}
    assert (tmp_path / "target").read_text() == "1 secret\n"


async def test_sweep_takes_only_what_is_a_log(disk_log):
    (disk_log.root / "mine").mkdir(parents=True)
    (disk_log.root / "mine" / "notes.txt").write_text("keep")
    (disk_log.root / "stray").write_text("keep")
    await fill(disk_log, 1, 1)
    await disk_log.sweep([])
    assert sorted(str(path.relative_to(disk_log.root)) for path in disk_log.root.rglob("*")) == [
        "mine",
        "mine/notes.txt",
        "stray",
    ]


async def test_append_goes_on_when_its_caller_is_cancelled(disk_log):
    disk_log._turn.acquire()
    with trio.move_on_after(0.01) as scope:
        await disk_log.append([entry(1, "one")])
    assert scope.cancelled_caught
    disk_log._turn.release()
    while await disk_log.restore("s1") == Tail():
        await trio.sleep(0.001)
    await disk_log.append([entry(1, "one")])
    assert await read(disk_log, "s1", 9, 9) == [(1, "one")]
