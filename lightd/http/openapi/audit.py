"""The audit's route."""

from lightd.http.openapi.entry import Entry, Section
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, many, nullable, record, told

AUDIT = Section(
    "Audit",
    "Who did what: every call that may change anything, by whoever has a valid token. For the master token alone.",
    (
        Entry(
            method="GET",
            path="/audit",
            name="list_audit",
            summary="Who did what",
            curl='call "$url/audit?since=0&limit=100"',
            parameters=("since", "limit"),
            answer=record(
                {
                    "entries": many(
                        record(
                            {
                                "seq": told(WHOLE, "what `since` takes"),
                                "at": MOMENT,
                                "token_id": told(TEXT, "`master`, or the id of a minted token"),
                                "address": nullable(TEXT),
                                "request_id": TEXT,
                                "method": TEXT,
                                "route": TEXT,
                                "subject": nullable(TEXT),
                                "operation_id": nullable(TEXT),
                                "status": nullable(told(WHOLE, "null where nothing was answered")),
                                "code": nullable(TEXT),
                            }
                        )
                    ),
                    "next": WHOLE,
                }
            ),
        ),
    ),
)
