"""What was on a container's console, further back than its memory."""

from collections.abc import AsyncGenerator

from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.container.console import Console
from actors.container.consolelog import to_unbroken
from lightd.http import containers, frames, queries
from lightd.http.source import LINES_A_FRAME
from lightd.http.wire import to_json
from lightd.system import System

MOST_LINES = 10_000


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of histories to ``app``."""
    routes = Blueprint("history", __name__)

    @routes.get("/containers/<internal_id>/logs")
    async def logs(internal_id: str) -> Response:
        queries.check_names("lines")
        limit = queries.whole("lines", 100, 1, MOST_LINES)
        found = await containers.find(system, internal_id).console.end(limit)
        return to_json({"lines": [{"line": number, "text": text} for number, text in found]})

    app.register_blueprint(routes)


async def to_logs(console: Console, limit: int) -> bytes:
    """Return the frame that has the end of a console: one stretch of it, in which no line is missing."""
    found = to_unbroken(await console.end(limit))
    first = found[0][0] if found else console.lines.last + 1
    return frames.to_frame(frames.to_logs([text for _, text in found], first))


async def to_older(console: Console, after: int, before: int) -> AsyncGenerator[bytes, None]:
    """Give the frames of the lines over ``after`` and below ``before``, from where the console is kept.

    A ``gap`` stands for those that nobody has, and for all but the last ``MOST_LINES``.
    """
    kept = await console.older(before, min(before - 1 - after, MOST_LINES))
    found = [line for line in kept if line[0] > after]
    begin = 0
    for end in range(1, len(found) + 1):
        broken = end == len(found) or found[end][0] != found[end - 1][0] + 1
        if broken or end - begin == LINES_A_FRAME:
            number = found[begin][0]
            if number > after + 1:
                yield frames.to_frame(frames.to_gap(number - after - 1, number))
            yield frames.to_frame(frames.to_console([text for _, text in found[begin:end]], number))
            begin, after = end, found[end - 1][0]
    if after + 1 < before:
        yield frames.to_frame(frames.to_gap(before - after - 1, before))
