"""The route of the audit."""

from typing import Any, Final

import attrs
from quart import Response

from lightd.access import scopes
from lightd.audit.entry import Entry
from lightd.http import queries
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, described, many, record
from lightd.http.openapi.vocabulary import NAMED
from lightd.http.route import Route
from lightd.http.wire import to_json
from lightd.system import System
from lightd.validation.schema import nullable

MOST: Final = 1000


async def show(system: System) -> Response:
    since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, MOST)
    entries = await system.audit.read(since, limit)
    following = entries[-1].seq if entries else since
    return to_json({"entries": [to_row(entry) for entry in entries], "next": following})


def to_row(entry: Entry) -> dict[str, Any]:
    """Return an entry as the API shows it."""
    outcome = entry.outcome
    return {
        "seq": entry.seq,
        **attrs.asdict(entry.asked),
        "subject": outcome.subject,
        "operation_id": outcome.operation_id,
        "status": outcome.status,
        "code": outcome.code,
    }


ROUTES = (
    Route(
        method="GET",
        path="/audit",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=show,
        name="list_audit",
        summary="List audit entries",
        curl='call "$url/audit?since=0&limit=100"',
        parameters=("since", "limit"),
        answer=record(
            {
                "entries": described(
                    many(
                        record(
                            {
                                "seq": described(
                                    WHOLE,
                                    "the number of the entry; a value for `since`",
                                    unit="number",
                                    example=120,
                                ),
                                "at": MOMENT,
                                "token_id": described(
                                    TEXT,
                                    "`master`, or the id of a minted token",
                                    example="9f86d081884c7d659a2feaa0",
                                ),
                                "address": nullable(
                                    described(TEXT, "the IP address of the client", example="192.0.2.7")
                                ),
                                "request_id": TEXT,
                                "method": described(
                                    TEXT, "the method; for a frame `WS` and its event", example="POST"
                                ),
                                "route": described(
                                    TEXT,
                                    "the path as in this document",
                                    example="/containers/{internal_id}/start",
                                ),
                                "subject": nullable(
                                    described(
                                        TEXT, "what the call was about, if anything", example="server-001"
                                    )
                                ),
                                "operation_id": nullable(described(TEXT, NAMED["operation_id"].description)),
                                "status": nullable(
                                    described(
                                        WHOLE,
                                        "the HTTP status of the response; null if there was none",
                                        unit="number",
                                        example=200,
                                    )
                                ),
                                "code": nullable(described(TEXT, "the code of the error, if it was one")),
                            }
                        )
                    ),
                    "the calls, the oldest first",
                ),
                "next": described(WHOLE, NAMED["next"].description, unit="number", example=120),
            }
        ),
    ),
)
