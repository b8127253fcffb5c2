"""The routes of the configuration and of the panel."""

from typing import Any

import attrs
from quart import Response

from lightd.access import scopes
from lightd.api.errors import bad_request
from lightd.config.sections import ConfigurationError
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, described, many, message, record, ref
from lightd.http.openapi.vocabulary import AT
from lightd.http.route import Route
from lightd.http.wire import refuse_body, to_json
from lightd.system import System
from lightd.validation.schema import nullable


async def show(system: System) -> Response:
    return to_json(system.config.masked())


async def status(system: System) -> Response:
    return to_json(to_status(system))


async def take_on(system: System) -> Response:
    await refuse_body()
    try:
        reloaded = await system.reload()
    except ConfigurationError as error:
        raise bad_request("; ".join(error.mistakes), "invalid_configuration") from None
    return to_json(
        {
            "message": "Configuration reloaded successfully",
            "applied": list(reloaded.applied),
            "restart_required": list(reloaded.restart_required),
        }
    )


def to_status(system: System) -> dict[str, Any]:
    """Return the status of the panel connection and of its pending updates."""
    status, exchanged = system.remote_status, system.exchanged
    return {
        "enabled": system.config.remote.enabled,
        "healthy": system.config.remote.enabled and status.healthy is True,
        "last_ok": status.last_ok,
        "last_error": status.last_error,
        "backlog": status.backlog,
        "oldest_pending_at": status.oldest_pending_at,
        "cursor": status.cursor,
        "refused": status.refused,
        "config": {
            "pulled_at": exchanged.pulled_at,
            "pushed_at": exchanged.pushed_at,
            "conflicts": [attrs.asdict(conflict) for conflict in exchanged.conflicts],
        },
    }


_STATUS = record(
    {
        "enabled": FLAG,
        "healthy": described(FLAG, "whether the last call to the panel succeeded", example=True),
        "last_ok": nullable(described(MOMENT, "when a call last succeeded; null: never", example=AT)),
        "last_error": nullable(
            described(TEXT, "why a call last failed; null: none has", example="the panel does not answer")
        ),
        "backlog": described(WHOLE, "the pending updates", unit="updates", example=0),
        "oldest_pending_at": nullable(
            described(
                MOMENT, "when the oldest pending update was recorded; null: none is pending", example=AT
            )
        ),
        "cursor": nullable(
            described(
                WHOLE,
                "the position in the journal up to which updates were sent",
                unit="number",
                example=4711,
            )
        ),
        "refused": described(WHOLE, "updates that the panel rejected with a 4xx", unit="updates", example=0),
        "config": record(
            {
                "pulled_at": nullable(
                    described(MOMENT, "when the panel's configuration was last read; null: never", example=AT)
                ),
                "pushed_at": nullable(
                    described(MOMENT, "when the node's was last sent; null: never", example=AT)
                ),
                "conflicts": described(
                    many(record({"internal_id": nullable(TEXT), "reason": TEXT})),
                    "what could not be taken from the panel's configuration",
                    example=[],
                ),
            },
            means="the exchange of containers with the panel (`remote.sync_config`)",
        ),
    },
    example={"last_error": None, "oldest_pending_at": None},
)

ROUTES = (
    Route(
        method="GET",
        path="/remote/config",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=show,
        name="show_configuration",
        summary="Show the running configuration",
        text="Tokens are masked except for their last four characters.",
        curl="call $url/remote/config",
        answer=ref("Configuration"),
    ),
    Route(
        method="POST",
        path="/remote/config/reload",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=take_on,
        name="reload_configuration",
        summary="Reload the configuration file",
        text="If the file has mistakes, nothing is changed. `restart_required` names every key whose value differs from "
        "the running configuration and needs a restart.",
        curl="call -X POST $url/remote/config/reload",
        answer=record(
            {
                "message": message("Configuration reloaded successfully"),
                "applied": described(many(TEXT), "the keys that apply now", example=["remote.enabled"]),
                "restart_required": described(
                    many(TEXT), "the keys that apply after a restart", example=["server.port"]
                ),
            }
        ),
        errors=("malformed_json", "invalid_configuration"),
    ),
    Route(
        method="GET",
        path="/remote/status",
        permission="admin",
        subject=scopes.Node,
        handler=status,
        name="show_panel",
        summary="Panel connection status and pending updates",
        curl="call $url/remote/status",
        answer=_STATUS,
    ),
)
