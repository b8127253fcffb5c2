"""Console lines that are older than those in memory: the route of logs, and frames for viewers."""

from collections.abc import AsyncGenerator, Iterator, Sequence

from quart import Response

from actors.container.console.console import Console
from actors.container.console.log import Numbered, to_unbroken
from lightd.access import scopes
from lightd.http import queries
from lightd.http.error_codes import CONTAINER
from lightd.http.live import frames
from lightd.http.live.source import FRAME, LINES_A_FRAME
from lightd.http.openapi.schemas import TEXT, WHOLE, many, record
from lightd.http.route import Route
from lightd.http.routes import containers
from lightd.http.wire import from_text, to_text
from lightd.system import System

MOST_LINES = 10_000
ROOM_A_LINE = 8 * 1024
STORED = 8 * 1024 * 1024
"""Bytes of memory that a line, and a whole log on disk, take at most: more than it has characters."""


def to_room(lines: int) -> int:
    """The memory in bytes that so many stored lines take at most."""
    return min(lines * ROOM_A_LINE, STORED)


async def logs(system: System, internal_id: str) -> Response:
    limit = queries.whole("lines", 100, 1, MOST_LINES)
    console = containers.find(system, internal_id).console
    found = await console.end(limit)
    parts = []
    for lines in _to_stretches(found):
        await console.turns.next()
        parts.append(to_text([{"line": number, "text": text} for number, text in lines])[1:-1])
    return from_text(f'{{"lines":[{",".join(parts)}]}}')


def _to_stretches(found: Sequence[Numbered]) -> Iterator[Sequence[Numbered]]:
    """Yield the lines a frame at a time: within one no line is missing, and none is too large."""
    begin = size = 0
    for end, (number, text) in enumerate(found, 1):
        size += len(text)
        full = size >= FRAME or end - begin == LINES_A_FRAME
        if full or end == len(found) or found[end][0] != number + 1:
            yield found[begin:end]
            begin, size = end, 0


async def to_logs(console: Console, limit: int) -> bytes:
    """Return the ``logs`` frame with the last lines of a console, without a missing line in between."""
    found = to_unbroken(await console.end(limit))
    first = found[0][0] if found else console.lines.last + 1
    head, _, tail = to_text(frames.to_logs([], first)).partition('""')
    parts = []
    for lines in _to_stretches(found):
        await console.turns.next()
        parts.append(to_text("".join([f"{text}\n" for _, text in lines]))[1:-1])
    return frames.to_framed(f'{head}"{"".join(parts)}"{tail}')


async def to_older(console: Console, after: int, before: int) -> AsyncGenerator[bytes, None]:
    """Yield the frames of the lines between ``after`` and ``before``, from the log on disk.

    A ``gap`` replaces lines that are lost, and all but the last ``MOST_LINES``.
    """
    kept = await console.older(before, min(before - 1 - after, MOST_LINES))
    found = [line for line in kept if line[0] > after]
    for lines in _to_stretches(found):
        number = lines[0][0]
        if number > after + 1:
            yield frames.to_frame(frames.to_gap(number - after - 1, number))
        yield frames.to_frame(frames.to_console([text for _, text in lines], number))
        after = lines[-1][0]
    if after + 1 < before:
        yield frames.to_frame(frames.to_gap(before - after - 1, before))


ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/logs",
        permission="console.read",
        subject=scopes.Container,
        handler=logs,
        name="show_logs",
        summary="Show the last lines of a console",
        text="Lines are kept when lightd is restarted and when the container is created again.",
        curl='call "$url/containers/server-001/logs?lines=100"',
        parameters=("lines",),
        answer=record({"lines": many(record({"line": WHOLE, "text": TEXT}))}),
        errors=CONTAINER,
    ),
)
