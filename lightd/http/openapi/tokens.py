"""The routes of tokens."""

from actors.tokens.grant import PERMISSIONS
from lightd.api import bodies
from lightd.http.error_codes import JSON, RECORDS
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.schemas import (
    FLAG,
    MOMENT,
    TEXT,
    WHOLE,
    Schema,
    many,
    message,
    nullable,
    of_rule,
    record,
    told,
    words,
)
from lightd.http.routes.tokens import TokenBody

_UNTIL: Schema = {"type": "string", "format": "date-time", "description": "RFC 3339 in UTC, with a `Z`"}
_TTL: Schema = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,6}[smhd]$",
    "description": "a whole number with a unit (s, m, h or d), between 1s and 30d",
}
_CONTAINERS: Schema = {**many(of_rule(bodies.InternalId)), "maxItems": 256}
_PERMISSIONS = many(words(*PERMISSIONS))


TOKENS = Section(
    "Tokens",
    "Tokens with an expiry and, optionally, limited to some containers and permissions. "
    "Only the master token can create and revoke them. Only their digests are stored.",
    (
        Entry(
            method="POST",
            path="/auth/tokens",
            name="mint_token",
            summary="Create a token",
            text="Without `containers` and `permissions` it has the permissions of the master token, except for routes that "
            "require the master token. With `remove_on_use` it can be used once; a WebSocket that was opened with it "
            "stays open.",
            curl="""call $url/auth/tokens -d '{"ttl":"1h","containers":["server-001"],"permissions":["console.read"]}'""",
            body=Body(
                TokenBody,
                schema=record(
                    {"ttl": _TTL},
                    {
                        "remove_on_use": {**FLAG, "default": False},
                        "containers": told(_CONTAINERS, "other containers are a 404 for it"),
                        "permissions": told(_PERMISSIONS, "other permissions are denied"),
                    },
                    "The permissions and the lifetime of a new token.",
                ),
            ),
            answer=record(
                {"token": told(TEXT, "shown only in this response"), "expires_at": _UNTIL, "id": TEXT}
            ),
            faults=(*JSON, *RECORDS, "too_many_tokens"),
        ),
        Entry(
            method="GET",
            path="/auth/tokens",
            name="list_tokens",
            summary="List valid tokens, without their secrets",
            curl="call $url/auth/tokens",
            answer=record(
                {
                    "tokens": many(
                        record(
                            {
                                "id": TEXT,
                                "created_at": MOMENT,
                                "expires_at": _UNTIL,
                                "remove_on_use": FLAG,
                                "spent": FLAG,
                                "containers": nullable(many(TEXT)),
                                "permissions": nullable(many(TEXT)),
                                "sockets": told(WHOLE, "number of open WebSockets"),
                            }
                        )
                    )
                }
            ),
        ),
        Entry(
            method="DELETE",
            path="/auth/tokens/{token_id}",
            name="revoke_token",
            summary="Revoke a token",
            text="Its open WebSockets are closed with 4401.",
            before="""old=$(call $url/auth/tokens -d '{"ttl":"5m"}' | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')""",
            curl="call -X DELETE $url/auth/tokens/$old",
            parameters=("token_id",),
            answer=record({"message": message("Token revoked successfully"), "id": TEXT}),
            faults=(*JSON, *RECORDS, "invalid_id", "token_not_found"),
        ),
    ),
)
