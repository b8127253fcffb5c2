"""The route of the audit."""

from lightd.http.openapi.entry import Entry, Section
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, many, nullable, record, told

AUDIT = Section(
    "Audit",
    "The log of every call with a valid token that can change something. Requires the master token.",
    (
        Entry(
            method="GET",
            path="/audit",
            name="list_audit",
            summary="List audit entries",
            curl='call "$url/audit?since=0&limit=100"',
            parameters=("since", "limit"),
            answer=record(
                {
                    "entries": many(
                        record(
                            {
                                "seq": told(WHOLE, "a value for `since`"),
                                "at": MOMENT,
                                "token_id": told(TEXT, "`master`, or the id of a minted token"),
                                "address": nullable(TEXT),
                                "request_id": TEXT,
                                "method": TEXT,
                                "route": TEXT,
                                "subject": nullable(TEXT),
                                "operation_id": nullable(TEXT),
                                "status": nullable(told(WHOLE, "null if there was no response")),
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
