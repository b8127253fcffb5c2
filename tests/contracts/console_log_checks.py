"""What every console log does. ``bench.log`` is the log; ``bench.reopen()`` is the next daemon's."""

from collections.abc import Callable

import attrs

from actors.container.console.log import TAIL, ConsoleLog, Entry, InstallLog, Numbered, Tail


@attrs.define
class Bench:
    log: ConsoleLog
    reopen: Callable[[], ConsoleLog]


def entry(first, *lines, life="a:1", missed=0, internal_id="s1"):
    return Entry(internal_id, life, 1_700_000_000.0 + first, first, lines, missed)


async def read(log, internal_id, before, limit):
    """The numbers and texts of what the log has."""
    return [(line.number, line.text) for line in await log.read(internal_id, before, limit)]


async def check_log_of_a_container_that_never_printed_is_empty(bench):
    assert await bench.log.restore("s1") == Tail()
    assert await read(bench.log, "s1", 100, 10) == []
    await bench.log.remove("s1")


async def check_appended_lines_are_there_for_the_next_daemon(bench):
    assert await bench.log.append([entry(1, "one", "two"), entry(3, "three")]) == {}
    log = bench.reopen()
    tail = await log.restore("s1")
    assert (tail.last, list(tail.lines)) == (3, ["one", "two", "three"])
    assert (tail.life, tail.begins, tail.read_at) == ("a:1", 0, 1_700_000_003.0)
    await log.append([entry(4, "four")])
    assert await read(log, "s1", 100, 3) == [(2, "two"), (3, "three"), (4, "four")]
    assert await read(log, "s1", 3, 100) == [(1, "one"), (2, "two")]


async def check_logs_are_told_apart(bench):
    await bench.log.append([entry(1, "one"), entry(1, "other", internal_id="s2"), entry(2, "two")])
    assert await read(bench.log, "s1", 9, 9) == [(1, "one"), (2, "two")]
    assert await read(bench.log, "s2", 9, 9) == [(1, "other")]


async def check_any_text_comes_back_as_it_was(bench):
    lines = (
        "",
        " ",
        "7 dwarfs",
        "#read 1 x",
        "\x1b[31mred\x1b[0m\r50%\r100%",
        "größe 🎲 \ufffd\x00",
        "x" * 16384,
    )
    await bench.log.append([entry(1, *lines)])
    assert list((await bench.reopen().restore("s1")).lines) == list(lines)


async def check_tail_is_of_a_bounded_length(bench):
    await bench.log.append([entry(1, *map(str, range(1, 2 * TAIL + 1)))])
    tail = await bench.reopen().restore("s1")
    assert list(tail.lines) == [str(number) for number in range(TAIL + 1, 2 * TAIL + 1)]


async def check_hole_is_left_open(bench):
    await bench.log.append([entry(1, "one"), entry(5, "five", "six", missed=3)])
    assert await read(bench.log, "s1", 9, 9) == [(1, "one"), (5, "five"), (6, "six")]
    tail = await bench.reopen().restore("s1")
    assert (tail.last, list(tail.lines)) == (6, ["five", "six"])


async def check_lives_are_told_apart(bench):
    await bench.log.append([entry(1, "one"), entry(2, "two", life="a:2"), entry(3, "three", life="a:2")])
    tail = await bench.reopen().restore("s1")
    assert (tail.life, tail.begins, tail.last) == ("a:2", 1, 3)


async def check_life_that_has_not_printed_yet_is_known(bench):
    await bench.log.append([entry(1, "one"), entry(2, life="a:2")])
    tail = await bench.reopen().restore("s1")
    assert (tail.life, tail.begins, tail.last) == ("a:2", 1, 1)
    await bench.log.append([entry(1, life="b:1", internal_id="s2")])
    tail = await bench.reopen().restore("s2")
    assert (tail.life, tail.begins, tail.last) == ("b:1", 0, 0)


async def check_life_is_known_however_much_it_printed_at_once(bench):
    lines = [f"line {number} of a burst that came while the disk had no room" for number in range(15_000)]
    await bench.log.append([entry(1, "one"), entry(2, *lines, life="a:2")])
    tail = await bench.reopen().restore("s1")
    assert (tail.life, tail.begins, tail.last, tail.read_at) == ("a:2", 1, 15_001, 1_700_000_002.0)


async def check_lines_that_are_appended_again_are_there_once(bench):
    await bench.log.append([entry(1, "one", "two")])
    for log in (bench.log, bench.reopen()):
        await log.append([entry(1, "one", "two")])
        await log.append([entry(2, "two", "three")])
    assert await read(bench.log, "s1", 9, 9) == [(1, "one"), (2, "two"), (3, "three")]


async def check_removed_log_begins_anew(bench):
    await bench.log.append([entry(1, "one"), entry(1, "other", internal_id="s2")])
    await bench.log.remove("s1")
    assert await bench.log.restore("s1") == Tail()
    assert (await bench.log.restore("s2")).last == 1
    await bench.log.append([entry(1, "new")])
    assert await read(bench.reopen(), "s1", 9, 9) == [(1, "new")]


async def check_sweep_leaves_those_that_are_kept(bench):
    await bench.log.sweep(["s1"])
    await bench.log.append([entry(1, "one"), entry(1, "other", internal_id="s2")])
    await bench.log.sweep(["s1"])
    assert [(await bench.log.restore(name)).last for name in ("s1", "s2")] == [1, 0]
    assert (await bench.reopen().restore("s2")).last == 0


async def check_time_of_each_line_comes_back(bench):
    known = attrs.evolve(
        entry(3, "three", "four", "five"), times=[1_700_000_000.5, 1_700_000_000.5, 1_700_000_001.25]
    )
    await bench.log.append([entry(1, "one", "two"), known])
    times = [1_700_000_001.0, 1_700_000_001.0, 1_700_000_000.5, 1_700_000_000.5, 1_700_000_001.25]
    log = bench.reopen()
    assert list((await log.restore("s1")).times) == times
    assert [line.at for line in await log.read("s1", 100, 100)] == times
    assert [line.at for line in await log.read("s1", 5, 2)] == times[2:4]
    assert [line.at for line in await log.read("s1", 3, 1)] == times[1:2]


async def check_unfinished_line_is_there_until_more_was_printed(bench):
    await bench.log.append([entry(1, "one"), attrs.evolve(entry(2), unfinished="Choose World: ")])
    tail = await bench.reopen().restore("s1")
    assert (tail.last, tail.life, tail.unfinished) == (1, "a:1", "Choose World: ")
    await bench.log.append([entry(2, "Choose World: 5")])
    assert (await bench.reopen().restore("s1")).unfinished == ""


def installation(attempt=1, *lines, **fields):
    numbered = [Numbered(number, text, 1.5) for number, text in enumerate(lines, 3)]
    return InstallLog(attempt, numbered, 2, **fields)


async def check_log_of_an_installation_is_there_for_the_next_daemon(bench):
    assert await bench.log.installation("s1") is None
    first = installation(1, "größe 🎲", "\x1b[31mred\x1b[0m", began_at=5.0, ended_at=6.5, code=7)
    await bench.log.keep_installation("s1", first)
    assert await bench.reopen().installation("s1") == first
    second = installation(2, began_at=7.0, error="it used too much")
    await bench.log.keep_installation("s1", second)
    assert await bench.reopen().installation("s1") == second
    assert await bench.log.installation("s2") is None


async def check_log_of_an_installation_is_removed_with_the_container_s(bench):
    for internal_id in ("s1", "s2", "s3"):
        await bench.log.append([entry(1, "one", internal_id=internal_id)])
        await bench.log.keep_installation(internal_id, installation())
    await bench.log.remove("s1")
    await bench.log.sweep(["s2"])
    log = bench.reopen()
    found = [await log.installation(each) is not None for each in ("s1", "s2", "s3")]
    assert found == [False, True, False]
