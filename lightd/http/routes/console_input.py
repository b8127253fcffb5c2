"""The route that sends commands to the console of a container."""

from quart import Response

from lightd.access import rates, scopes
from lightd.api.console_input import CommandBody, to_lines
from lightd.http.error_codes import CONTAINER, JSON
from lightd.http.identity import of_request
from lightd.http.openapi.schemas import TEXT, described, either, message, record, ref
from lightd.http.route import Body, Route
from lightd.http.routes.containers import find
from lightd.http.wire import read_body, to_json
from lightd.system import System


async def send(system: System, internal_id: str) -> Response:
    body = await read_body(CommandBody)
    member = find(system, internal_id)
    spec = member.state.spec
    lines = to_lines(body, tty=spec is not None and spec.tty)
    system.rates.spend(rates.SENDING, internal_id, of_request(), len(lines))
    await member.console.write_input(*lines)
    return to_json({"message": "Command sent", "internal_id": internal_id, "count": len(lines)})


_BODY = either(ref("OneCommand"), ref("Commands"), means="One command, or several in their order.")

ROUTES = (
    Route(
        method="POST",
        path="/containers/{internal_id}/command",
        permission="console.write",
        subject=scopes.Container,
        handler=send,
        name="send_command",
        summary="Send a command to the console",
        text="The response is sent when the command was written to the process's input; what the process prints is on "
        "the console. A command is one line, of at most 4,094 bytes on a terminal. Several `commands` are sent "
        "without those of others in between. While the console of a running container is not attached yet, the "
        "request waits for that for up to 5 seconds.",
        before='call -X POST "$url/containers/server-001/start?wait=60"',
        curl="""call $url/containers/server-001/command -d '{"command":"say hello"}'""",
        body=Body(CommandBody, schema=_BODY),
        answer=record(
            {
                "message": message("Command sent"),
                "internal_id": TEXT,
                "count": described(
                    {"type": "integer", "minimum": 1}, "the commands", unit="commands", example=1
                ),
            }
        ),
        errors=(*CONTAINER, *JSON, "input_refused", "too_often"),
        urgent=True,
    ),
)
