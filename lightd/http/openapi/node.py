"""The routes of the daemon itself: ping, the API document, the configuration and the panel."""

from lightd.http.openapi.entry import Answer, Entry, Section
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, many, message, nullable, record, ref, told

_STATUS = record(
    {
        "enabled": FLAG,
        "healthy": FLAG,
        "last_ok": nullable(MOMENT),
        "last_error": nullable(TEXT),
        "backlog": told(WHOLE, "pending updates"),
        "oldest_pending_at": nullable(MOMENT),
        "cursor": nullable(told(WHOLE, "the position in the journal up to which updates were sent")),
        "refused": told(WHOLE, "updates that the panel rejected with a 4xx"),
        "config": record(
            {
                "pulled_at": nullable(MOMENT),
                "pushed_at": nullable(MOMENT),
                "conflicts": many(record({"internal_id": nullable(TEXT), "reason": TEXT})),
            }
        ),
    }
)

NODE = Section(
    "Node",
    "The daemon itself. `ping` and the page at `/docs` need no token and no vendor header and reveal nothing about the node.",
    (
        Entry(
            method="GET",
            path="/api/v1/public/ping",
            name="ping",
            summary="Check that the daemon is running",
            curl="curl -sS $url/api/v1/public/ping",
            answer=record(
                {"status": message("ok"), "message": message("Lightd is running"), "version": TEXT}
            ),
            open_to_all=True,
        ),
        Entry(
            method="GET",
            path="/openapi.json",
            name="show_document",
            summary="This document as JSON",
            curl="call $url/openapi.json",
            answer={"type": "object", "description": "OpenAPI 3.1"},
        ),
        Entry(
            method="GET",
            path="/docs",
            name="show_page",
            summary="This document as an HTML page",
            text="A single page that loads no other resources.",
            curl="curl -sS $url/docs",
            others=(Answer(200, "The page.", "text/html", TEXT),),
            open_to_all=True,
        ),
        Entry(
            method="GET",
            path="/remote/config",
            name="show_configuration",
            summary="Show the running configuration",
            text="Tokens are masked except for their last four characters.",
            curl="call $url/remote/config",
            answer=ref("Configuration"),
        ),
        Entry(
            method="POST",
            path="/remote/config/reload",
            name="reload_configuration",
            summary="Reload the configuration file",
            text="If the file has mistakes, nothing is changed. `restart_required` names every key whose value differs from "
            "the running configuration and needs a restart.",
            curl="call -X POST $url/remote/config/reload",
            answer=record(
                {
                    "message": message("Configuration reloaded successfully"),
                    "applied": many(TEXT),
                    "restart_required": many(TEXT),
                }
            ),
            faults=("malformed_json", "invalid_configuration"),
        ),
        Entry(
            method="GET",
            path="/remote/status",
            name="show_panel",
            summary="Panel connection status and pending updates",
            curl="call $url/remote/status",
            answer=_STATUS,
        ),
    ),
)
