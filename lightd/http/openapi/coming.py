"""Routes that the contract has and the daemon does not have yet: add them to ``document.SECTIONS`` with them."""

from lightd.http.openapi.entry import Entry, Section
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, many, nullable, record

_TOKEN = record(
    {
        "id": TEXT,
        "expires_at": {"type": "string", "format": "date-time"},
        "remove_on_use": FLAG,
        "containers": nullable(many(TEXT)),
        "permissions": nullable(many(TEXT)),
    }
)

TOKENS = Section(
    "Tokens",
    "Short-lived tokens, for the master token alone to mint and revoke.",
    (
        Entry(
            method="POST",
            path="/auth/tokens",
            name="mint_token",
            summary="Mint a token",
            text="`ttl` is `<n>s|m|h|d`, 1 s to 30 d. `containers` and `permissions` narrow what it may do.",
            curl="""call $url/auth/tokens -d '{"ttl":"1h","remove_on_use":false}'""",
            answer=record(
                {"token": TEXT, "expires_at": {"type": "string", "format": "date-time"}, "id": TEXT}
            ),
        ),
        Entry(
            method="GET",
            path="/auth/tokens",
            name="list_tokens",
            summary="Live tokens, without their secrets",
            curl="call $url/auth/tokens",
            answer=record({"tokens": many(_TOKEN)}),
        ),
        Entry(
            method="DELETE",
            path="/auth/tokens/{id}",
            name="revoke_token",
            summary="Revoke a token",
            text="Its open sockets are closed with 4401.",
            curl="call -X DELETE $url/auth/tokens/$id",
            answer=record({"message": TEXT}),
        ),
    ),
)

AUDIT = Section(
    "Audit",
    "Who did what, for the master token alone.",
    (
        Entry(
            method="GET",
            path="/audit",
            name="list_audit",
            summary="Who did what",
            curl='call "$url/audit?since=0&limit=100"',
            parameters=("since", "limit"),
            answer=record({"entries": many(record({"at": MOMENT})), "next": WHOLE}),
        ),
    ),
)
