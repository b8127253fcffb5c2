"""The lines of a console by time and by expression: what is found, what is refused, and what it costs."""

import time

import pytest
import trio

from actors.container.console.console import Console
from actors.container.console.log import Numbered
from actors.kernel.ephemeral import Wake
from lightd.api.errors import ApiError
from lightd.engines.patterns import compile_pattern
from lightd.http.routes import log_search
from lightd.http.routes.log_search import Wanted, search, to_time

pytestmark = pytest.mark.one_python

NOW = 1_767_225_600.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1767225600", NOW),
        ("1767225600.5", NOW + 0.5),
        ("2026-01-01", NOW),
        ("2026-01-01T00:00:00", NOW),
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01t00:00:00.25z", NOW + 0.25),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2026-01-01T01:00:00 01:00", NOW),
        ("2025-12-31T23:00:00-01:00", NOW),
        ("90s", NOW - 90),
        ("1h30m", NOW - 5400),
        ("1.5d", NOW - 129_600),
        ("2026-13-01", None),
        ("yesterday", None),
        ("", None),
        ("-5", None),
        ("1e9", None),
        ("10", 10.0),
        ("10m ", None),
        ("m", None),
        ("\u0661\u0662s", None),
        ("\u0661\u0662", None),
    ],
)
def test_time_is_read_as_docker_reads_it(text, at):
    assert to_time(text, NOW) == at


async def test_lines_are_found_by_expression_and_time_also_the_unfinished_one(api):
    await api.running(command="line-printer 200 0; prompt")
    await trio.sleep(0.5)
    get = lambda **query: api.get("/containers/s1/logs", **query)  # noqa: E731 - shorter than a function
    texts = lambda answer: [line["text"] for line in answer["lines"]]  # noqa: E731 - as above
    assert texts(await get(grep="^line 1.$")) == [f"line {n}" for n in range(10, 20)]
    assert texts(await get(grep="line 1", lines=2)) == ["line 198", "line 199"]
    assert texts(await get(grep="no such line")) == []
    found = await get(grep="^Ready> $")
    assert [(line["text"], line["partial"]) for line in found["lines"]] == [
        ("\x1b[1;32mReady\x1b[0m> ", True)
    ]
    assert (await get(grep="(?i)READY|line 200", lines=1)) == found
    everything = await get(lines=1000)
    assert await get(since="1h", lines=1000) == await get(since="2000-01-01", until="0s", lines=1000)
    assert await get(since="1h", lines=1000) == await get(grep="", lines=1000) == everything
    assert await get(until="1h") == {"lines": []}
    assert await get(since=str(time.time() + 60)) == {"lines": []}
    at = everything["lines"][50]["at"]
    later = [line for line in everything["lines"] if line["at"] >= at]
    assert await get(since=f"{at:.3f}", lines=1000) == {"lines": later}
    assert await get(until=f"{at:.3f}", lines=1000) == {
        "lines": [line for line in everything["lines"] if line["at"] < at]
    }


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"since": "yesterday"}, "since: must be Unix seconds, a time"),
        ({"until": "1x"}, "until: must be Unix seconds, a time"),
        ({"since": "1m", "until": "1h"}, "until: must not be before since"),
        ({"grep": "("}, "grep: is not a valid regular expression"),
        ({"grep": r"(a)\1"}, "grep: is not a valid regular expression"),
        ({"grep": "x" * 1001}, "grep: is not a valid regular expression: must not be longer than 1000"),
        ({"grep": "x", "lines": "0"}, "lines: must be"),
        ({"greb": "x"}, "greb: unknown query parameter"),
    ],
)
async def test_query_that_cannot_be_read_is_refused_by_name(api, query, complaint):
    await api.create()
    status, code, sentence = await api.refused("GET", "/containers/s1/logs", **query)
    assert (status, code) == (400, "invalid_request")
    assert sentence.startswith(complaint)


class Stored:
    """A keeper with ``count`` lines, one each second up to ``NOW``."""

    def __init__(self, count):
        self.count, self.pages = count, 0

    async def read(self, _console, before, limit):
        self.pages += 1
        await trio.lowlevel.checkpoint()
        first = max(1, before - limit)
        return [Numbered(n, f"line {n}", NOW - self.count + n) for n in range(first, before)]

    def note(self, console):
        pass


def a_console(count):
    console = Console(Wake(), "s1")
    stored = Stored(count)
    console.lines._last, console.lines._first = count, count + 1
    console._restored, console.keeper = True, stored
    return console, stored


async def test_old_lines_are_read_a_page_at_a_time_and_no_further_than_needed():
    console, stored = a_console(100_000)
    found, _ = await search(console, 2, Wanted(grep=compile_pattern("^line 5000[07]$")))
    assert [line.number for line in found] == [50_000, 50_007]
    assert stored.pages == 6
    console, stored = a_console(100_000)
    found, _ = await search(console, 5, Wanted(since=NOW - 15_000, until=NOW - 14_990))
    assert [line.number for line in found] == list(range(85_005, 85_010))
    assert stored.pages == 2
    console, stored = a_console(1_000_000)
    assert await search(console, 5, Wanted(grep=compile_pattern("^never$"))) == ([], None)
    assert stored.pages == log_search.PAGES


async def test_lines_without_a_time_are_found_only_if_all_times_are_wanted():
    console = Console(Wake())
    console.lines.push(["old", "new"], [None, NOW])
    assert [line.text for line in (await search(console, 5, Wanted(grep=compile_pattern("."))))[0]] == [
        "old",
        "new",
    ]
    assert [line.text for line in (await search(console, 5, Wanted(since=0)))[0]] == ["new"]


async def test_expression_that_takes_too_long_is_refused():
    console, _ = a_console(50_000)
    pattern = compile_pattern("^never$")
    pattern.seconds = log_search.GREP_LIMIT + 1
    with pytest.raises(ApiError, match="grep: takes too long"):
        await search(console, 5, Wanted(grep=pattern))


async def test_expression_that_is_not_quick_is_searched_for_in_a_thread():
    console, _ = a_console(3000)
    pattern = compile_pattern("(?:(?:l{1,300}i{1,300}n){1,3}|line) 29[0-9]9$")
    assert not pattern.is_quick(2000)
    found, _ = await search(console, 5, Wanted(grep=pattern))
    assert [line.number for line in found] == [2959, 2969, 2979, 2989, 2999]


async def test_long_lines_are_searched_in_small_parts():
    lines = [Numbered(n, "x" * 10_000) for n in range(100)]
    parts = list(log_search._to_parts(lines))
    assert [line for part in reversed(parts) for line in part] == lines
    assert all(sum(len(line.text) for line in part) < 2 * log_search.PART_BYTES for part in parts)
    assert (
        max(map(len, log_search._to_parts([Numbered(n, "") for n in range(1000)]))) == log_search.PART_LINES
    )
