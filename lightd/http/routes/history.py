"""Console lines that are older than those in memory: the route of logs, and frames for viewers."""

import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from weakref import WeakValueDictionary

import trio
from quart import Response

from actors.container.console.console import Console
from actors.container.console.log import Numbered, to_unbroken
from actors.container.console.scrollback import are_apart
from lightd.access import scopes
from lightd.access.identity import Identity
from lightd.http import queries
from lightd.http.error_codes import CONTAINER
from lightd.http.identity import of_request
from lightd.http.live import frames
from lightd.http.live.kinds import PARTIAL
from lightd.http.live.source import FRAME, LINES_A_FRAME, WITHIN
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, described, many, record
from lightd.http.route import Route
from lightd.http.routes import containers
from lightd.http.routes.log_search import read_wanted, search
from lightd.http.wire import from_text, to_text
from lightd.system import System
from lightd.validation.schema import nullable

MOST_LINES = 10_000
AT_ONCE = 4
"""Requests of one minted token that read lines at a time; each has some megabytes of them. Others wait."""
ROOM_A_LINE = 8 * 1024
STORED = 8 * 1024 * 1024
"""Bytes of memory that a line, and a whole log on disk, take at most: more than it has characters."""


def to_room(lines: int) -> int:
    """The memory in bytes that so many stored lines take at most."""
    return min(lines * ROOM_A_LINE, STORED)


async def logs(system: System, internal_id: str) -> Response:
    limit = queries.whole("lines", 100, 1, MOST_LINES)
    console = containers.find(system, internal_id).console
    wanted = await read_wanted(system.clock())
    async with reading(of_request()):
        found, unfinished = await (
            _end(console, limit) if wanted.everything else search(console, limit, wanted)
        )
        parts = []
        for lines in to_stretches(found):
            await console.turns.next()
            parts.append(to_text([to_line(line) for line in lines])[1:-1])
        if unfinished is not None:
            parts.append(to_text({**to_line(unfinished), "partial": True}))
        return from_text(f'{{"lines":[{",".join(parts)}]}}')


_readers: WeakValueDictionary[str, trio.CapacityLimiter] = WeakValueDictionary()


def reading(identity: Identity) -> AbstractAsyncContextManager[object]:
    """Return a block that at most ``AT_ONCE`` requests of a token are in; the master token has no limit."""
    if identity.is_master:
        return nullcontext()
    return _readers.setdefault(identity.token_id, trio.CapacityLimiter(AT_ONCE))


def to_line(line: Numbered) -> dict[str, object]:
    """Return a line as JSON."""
    return {"line": line.number, "text": line.text, "at": line.at}


async def _end(console: Console, limit: int) -> tuple[Sequence[Numbered], Numbered | None]:
    """Return the last ``limit`` lines, and the unfinished one, which is one of them if it is shown."""
    found = await console.end(limit)
    unfinished = console.to_shown()
    if unfinished is None or not unfinished.text:
        return found, None
    if found and found[-1].number != unfinished.number - 1:  # lines have come since
        return found, None
    return found[len(found) + 1 - limit :] if len(found) == limit else found, unfinished


def to_stretches(found: Sequence[Numbered], within: float = math.inf) -> Iterator[Sequence[Numbered]]:
    """Yield the lines a frame at a time: within one no line is missing, and none is too large.

    All lines of one were printed less than ``within`` seconds from the first.
    """
    begin = size = 0
    for end, line in enumerate(found, 1):
        size += len(line.text)
        full = size >= FRAME or end - begin == LINES_A_FRAME
        last = full or end == len(found) or found[end].number != line.number + 1
        if last or are_apart(found[begin].at, found[end].at, within):
            yield found[begin:end]
            begin, size = end, 0


async def to_logs(console: Console, limit: int) -> bytes:
    """Return the ``logs`` frame with the last lines of a console, without a missing line in between.

    The unfinished line is at its end, without a newline.
    """
    lines, unfinished = await _end(console, limit)
    found = to_unbroken(lines)
    last = [] if unfinished is None else [unfinished]
    first = next(iter([*found[:1], *last]), Numbered(console.lines.last + 1, ""))
    frame = {**frames.to_logs([], first.number, first.at), **({"partial": True} if last else {})}
    head, _, tail = to_text(frame).partition('""')
    parts = []
    for some in to_stretches(found):
        await console.turns.next()
        parts.append(to_text("".join([f"{line.text}\n" for line in some]))[1:-1])
    parts += [to_text(line.text)[1:-1] for line in last]
    return frames.to_framed(f'{head}"{"".join(parts)}"{tail}')


async def to_older(console: Console, after: int, before: int) -> AsyncGenerator[bytes, None]:
    """Yield the frames of the lines between ``after`` and ``before``, from the log on disk.

    A ``gap`` replaces lines that are lost, and all but the last ``MOST_LINES``.
    """
    kept = await console.older(before, min(before - 1 - after, MOST_LINES))
    found = [line for line in kept if line.number > after]
    for lines in to_stretches(found, WITHIN):
        number = lines[0].number
        if number > after + 1:
            yield frames.to_frame(frames.to_gap(number - after - 1, number))
        yield frames.to_frame(frames.to_console([line.text for line in lines], number, lines[0].at))
        after = lines[-1].number
    if after + 1 < before:
        yield frames.to_frame(frames.to_gap(before - after - 1, before))


AT = nullable(described(MOMENT, "when it was printed; null if that is not known"))

ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/logs",
        permission="console.read",
        subject=scopes.Container,
        handler=logs,
        name="show_logs",
        summary="Show the last lines of a console",
        text="Lines are kept when lightd is restarted and when the container is created again. `grep`, `since` and "
        "`until` select lines; the last ones of them are returned. At most the newest 250,000 lines are searched.",
        curl='call "$url/containers/server-001/logs?lines=100"',
        parameters=("lines", "grep", "since_time", "until_time"),
        answer=record({"lines": many(record({"line": WHOLE, "text": TEXT, "at": AT}, {"partial": PARTIAL}))}),
        errors=CONTAINER,
    ),
)
