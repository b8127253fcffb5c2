"""The route that asks the game server of a container for its players."""

from typing import Any

import attrs
from quart import Response

from lightd.access import scopes
from lightd.api.errors import ApiError
from lightd.games.answer import GameAnswer
from lightd.games.queries import NoQuery
from lightd.http.error_codes import CONTAINER
from lightd.http.openapi.schemas import FLAG, MOMENT, NUMBER, TEXT, WHOLE, described, many, record
from lightd.http.route import Route
from lightd.http.routes import containers
from lightd.http.wire import to_json
from lightd.system import System
from lightd.validation.schema import nullable

UNASKED = GameAnswer()


async def show(system: System, internal_id: str) -> Response:
    member = containers.find(system, internal_id)
    state, settings = member.state, system.config.query
    if not settings.enabled:
        raise ApiError("query_disabled", "the configuration switches queries off (query.enabled)")
    if state.spec is None or state.spec.query.protocol == "none":
        raise ApiError(
            "no_query", 'the container has no query: set it with PATCH, {"query":{"protocol":"minecraft"}}'
        )
    if not state.traits.up:
        raise ApiError("not_running", f"container {internal_id} does not run")
    system.games.keep_only(each.internal_id for each in system.fleet)
    try:
        asked = await system.games.ask(internal_id, state.spec, state.run, settings.cache_seconds)
    except NoQuery as error:
        raise ApiError("no_query", str(error)) from None
    answer: dict[str, Any] = {
        "internal_id": internal_id,
        "protocol": state.spec.query.protocol,
        "reachable": asked.answer is not None,
        "error": asked.error,
        "at": asked.at,
        "latency": asked.latency,
        **attrs.asdict(asked.answer or UNASKED),
    }
    return to_json(answer)


ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/query",
        permission=scopes.TOKEN,
        subject=scopes.Container,
        handler=show,
        name="query_container",
        summary="Ask a game server for its players",
        text="Asks it by the protocol in the container's field `query`, at a port that the container holds. The "
        "answer is kept for `query.cache_seconds`. A server that does not answer within 3 seconds, as while it "
        "loads, is not `reachable`: then `error` says why, and the other fields are null. What a protocol does "
        "not tell is null, too: `map` for Minecraft.",
        before='call -X PATCH $url/containers/server-001 -d \'{"query":{"protocol":"minecraft","port":25565}}\'',
        curl="call $url/containers/server-001/query",
        answer=record(
            {
                "internal_id": TEXT,
                "protocol": described(TEXT, "the protocol of the query", example="minecraft"),
                "reachable": described(FLAG, "whether the server has answered", example=True),
                "error": nullable(described(TEXT, "why it has not", example="the server did not answer")),
                "at": described(MOMENT, "when it was asked"),
                "latency": nullable(
                    described(NUMBER, "the time to the answer's beginning", unit="seconds", example=0.0021)
                ),
                "players": nullable(described(WHOLE, "the players online", unit="players", example=3)),
                "max_players": nullable(described(WHOLE, "the most players", unit="players", example=20)),
                "names": nullable(
                    described(many(TEXT), "names of players, at most 100 of them", example=["alex"])
                ),
                "map": nullable(described(TEXT, "the map", example="de_dust2")),
                "version": nullable(described(TEXT, "the version of the server", example="1.21.4")),
                "motd": nullable(described(TEXT, "its message or name", example="A Minecraft Server")),
            }
        ),
        errors=(*CONTAINER, "query_disabled", "no_query", "not_running"),
    ),
)
