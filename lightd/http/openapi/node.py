"""The routes of the daemon itself: whether it lives, its document, its configuration and its panel."""

from lightd.http.openapi.entry import Answer, Entry, Section
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, many, message, nullable, record, ref, told

_STATUS = record(
    {
        "enabled": FLAG,
        "healthy": FLAG,
        "last_ok": nullable(MOMENT),
        "last_error": nullable(TEXT),
        "backlog": told(WHOLE, "updates that the panel has not been told"),
        "oldest_pending_at": nullable(MOMENT),
        "cursor": nullable(told(WHOLE, "what the panel was told up to, as a position in the journal")),
        "refused": told(WHOLE, "updates that the panel answered with a 4xx"),
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
    "The daemon itself. `ping` and the page at `/docs` need no token and no vendor header; they tell nothing of the node.",
    (
        Entry(
            method="GET",
            path="/api/v1/public/ping",
            name="ping",
            summary="Whether the daemon lives",
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
            summary="This document",
            curl="call $url/openapi.json",
            answer={"type": "object", "description": "OpenAPI 3.1"},
        ),
        Entry(
            method="GET",
            path="/docs",
            name="show_page",
            summary="This document as a page for people",
            text="One page of HTML that loads nothing else, from this daemon or from anywhere.",
            curl="curl -sS $url/docs",
            others=(Answer(200, "The page.", "text/html", TEXT),),
            open_to_all=True,
        ),
        Entry(
            method="GET",
            path="/remote/config",
            name="show_configuration",
            summary="The running configuration",
            text="Every token is masked to its last four characters.",
            curl="call $url/remote/config",
            answer=ref("Configuration"),
        ),
        Entry(
            method="POST",
            path="/remote/config/reload",
            name="reload_configuration",
            summary="Read the file of the configuration again",
            text="A file with mistakes changes nothing. `restart_required` names every key in which the file "
            "differs from what runs, at every reload, until the restart.",
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
            summary="How the panel is, and how far it has been told",
            curl="call $url/remote/status",
            answer=_STATUS,
        ),
    ),
)
