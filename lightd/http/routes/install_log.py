"""The route that shows what the installer of a container printed."""

from quart import Response

from actors.container.console import installation
from actors.container.console.log import InstallLog
from actors.container.state import State
from lightd.access import scopes
from lightd.api.errors import ApiError
from lightd.http.error_codes import CONTAINER
from lightd.http.identity import of_request
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, described, many, record, words
from lightd.http.route import Route
from lightd.http.routes import containers, history
from lightd.http.wire import from_text, to_text
from lightd.system import System
from lightd.validation.schema import nullable


async def show(system: System, internal_id: str) -> Response:
    member = containers.find(system, internal_id)
    async with history.reading(of_request()):
        found = await installation.read(member.console)
        if found is None:
            raise ApiError("install_log_not_found", "no installer has run for this container")
        parts = []
        for lines in history.to_stretches(found.lines):
            await member.console.turns.next()
            parts.append(to_text([history.to_line(line) for line in lines])[1:-1])
        head = to_text(_to_installation(found, member.state))
        return from_text(f'{head[:-1]},"lines":[{",".join(parts)}]}}')


def _to_installation(log: InstallLog, state: State) -> dict[str, object]:
    """Return the log without its lines."""
    status, error = "succeeded", None
    if log.code is None and not log.error and log.attempt == state.installing:
        status = "running"
    elif log.code is None:
        status, error = "aborted", log.error or "it was ended before it had finished"
    elif log.code:
        status, error = "failed", f"the install script ended with exit code {log.code}"
    return {
        "attempt": log.attempt,
        "status": status,
        "exit_code": log.code,
        "error": error,
        "started_at": log.began_at,
        "finished_at": log.ended_at,
        "left_out": log.left_out,
    }


ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/install-log",
        permission="console.read",
        subject=scopes.Container,
        handler=show,
        name="show_install_log",
        summary="Show what the last installer printed",
        text="It is kept until the next installation. It has the newest lines, at most 10,000 with 524,288 "
        "characters; `line` counts from 1 in this log. An installer that lightd ended has no exit code.",
        curl='call "$url/containers/server-001/install-log"',
        answer=record(
            {
                "attempt": described(WHOLE, "the number of the installation", unit="number", example=1),
                "status": described(
                    words("running", "succeeded", "failed", "aborted"),
                    "`aborted`: it was stopped, took too long or used too much",
                    example="succeeded",
                ),
                "exit_code": nullable(
                    described(
                        {"type": "integer"},
                        "null while it runs, or if lightd ended it",
                        unit="number",
                        example=0,
                    )
                ),
                "error": nullable(described(TEXT, "why it did not succeed", example="it took too long")),
                "started_at": nullable(MOMENT),
                "finished_at": nullable(MOMENT),
                "left_out": described(WHOLE, "its lines before these", unit="lines", example=0),
                "lines": many(record({"line": WHOLE, "text": TEXT, "at": history.AT})),
            }
        ),
        errors=(*CONTAINER, "install_log_not_found"),
    ),
)
