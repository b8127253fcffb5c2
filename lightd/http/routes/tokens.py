"""The routes of tokens; all but the one that shows the own token require the master token."""

import re
import secrets
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import attrs
import trio
from quart import Response

from actors.tokens.decider import Token
from actors.tokens.grant import PERMISSIONS, Grant
from actors.tokens.messages import ID_LENGTH, Mint, Revoke, to_id
from lightd.access import scopes
from lightd.access.gate import to_digest
from lightd.api import bodies
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import bad_request
from lightd.audit.trail import about
from lightd.http.error_codes import JSON, RECORDS
from lightd.http.identity import of_request
from lightd.http.listing import PAGE, to_answer, to_page
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, described, many, message, record, words
from lightd.http.route import Body, Route
from lightd.http.wire import from_text, read_body, refuse_body, to_json, to_text
from lightd.system import System
from lightd.validation.rules import Invalid, Rule, one_of
from lightd.validation.schema import Schema, nullable, to_schema

SECRET = 32
"""The number of random bytes in a token, which are 43 characters."""

MOST_CONTAINERS = 256
LONGEST_TTL = 30 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TTL = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_TOKEN_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


def to_ttl(value: object) -> int:
    """Return the seconds of a duration as ``90m``; raises ``Invalid``."""
    found = _TTL.fullmatch(value) if isinstance(value, str) else None
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_TTL:
        raise Invalid("must be a whole number and one of s, m, h, d, as in 90m, from 1s to 30d")
    return seconds


def _containers(value: object) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > MOST_CONTAINERS:
        raise Invalid(f"must be a list of at most {MOST_CONTAINERS} containers")
    return frozenset(_each(bodies.INTERNAL_ID, value))


def _permissions(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 - a JSON value of the wrong type
    return frozenset(_each(one_of(*PERMISSIONS), value))


def _each(rule: Rule, values: list[object]) -> list[str]:
    found = []
    for number, value in enumerate(values, start=1):
        try:
            found.append(str(rule.read(value)))
        except Invalid as error:
            raise Invalid(f"entry {number} {error}") from None
    return found


@attrs.frozen
class TokenBody:
    """The permissions and the lifetime of a new token. A field that is left out is no limit; null is a 400."""

    ttl: Annotated[int, Rule("a duration", to_ttl, {})]
    remove_on_use: bodies.Flag = False
    containers: Annotated[Any, Rule("a list", _containers, {})] = None
    permissions: Annotated[Any, Rule("a list", _permissions, {})] = None


async def show_self(_: System) -> Response:
    identity = of_request()
    grant = identity.grant
    return to_json(
        {
            "id": identity.token_id,
            "master": identity.is_master,
            "expires_at": None if identity.expires_at is None else to_rfc3339(identity.expires_at),
            "containers": None if grant.containers is None else sorted(grant.containers),
            "permissions": None if grant.permissions is None else sorted(grant.permissions),
        }
    )


async def mint(system: System) -> Response:
    body = await read_body(TokenBody)
    text = f"lightd_{secrets.token_urlsafe(SECRET)}"
    digest, now = to_digest(text), system.clock()
    about(to_id(digest))
    grant = Grant(body.containers, body.permissions)
    command = Mint(digest, grant, body.remove_on_use, now, now + body.ttl)
    await settle(partial(system.tokens.ref.ask, command, begin_operation("token")))
    return to_json({"token": text, "expires_at": to_rfc3339(now + body.ttl), "id": to_id(digest)})


async def list_live(system: System) -> Response:
    tokens, rest = await to_page(_live(system), attrgetter("token_id"))
    shown = {"tokens": [_to_shown(system, token) for token in tokens], **rest}
    return from_text(await trio.to_thread.run_sync(to_text, shown))


async def revoke(system: System, token_id: str) -> Response:
    if not _TOKEN_ID.fullmatch(token_id):
        raise bad_request(f"token_id: must be {ID_LENGTH} hexadecimal digits", "invalid_id")
    await refuse_body()
    command = Revoke(token_id, system.clock())
    await settle(partial(system.tokens.ref.ask, command, begin_operation("token")))
    return to_json({"message": "Token revoked successfully", "id": token_id})


def _live(system: System) -> list[Token]:
    """Return the tokens that are valid, or that have an open WebSocket."""
    now = system.clock()
    return [
        token
        for token in system.tokens.view.state.tokens.values()
        if token.opens(now) or (system.sockets.count(token.token_id) and not token.expired(now))
    ]


def _to_shown(system: System, token: Token) -> dict[str, Any]:
    grant = token.grant
    return {
        "id": token.token_id,
        "created_at": token.created_at,
        "expires_at": to_rfc3339(token.expires_at),
        "remove_on_use": token.remove_on_use,
        "spent": token.spent_at is not None,
        "containers": None if grant.containers is None else sorted(grant.containers),
        "permissions": None if grant.permissions is None else sorted(grant.permissions),
        "sockets": system.sockets.count(token.token_id),
    }


def to_rfc3339(at: float) -> str:
    """Return Unix seconds in the format of RFC 3339, in UTC, without the fraction."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().removesuffix("+00:00") + "Z"


_UNTIL: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "when it expires, in the format of RFC 3339, in UTC with a `Z`",
    "examples": ["2026-01-01T01:00:00Z"],
}
TTL: Schema = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,6}[smhd]$",
    "description": "how long it is valid: a whole number with a unit (s, m, h or d), between 1s and 30d",
    "examples": ["1h"],
}
_CONTAINERS: Schema = {**many(to_schema(bodies.InternalId)), "maxItems": MOST_CONTAINERS}
_PERMISSIONS = many(words(*PERMISSIONS))

ROUTES = (
    Route(
        method="GET",
        path="/auth/self",
        permission=scopes.TOKEN,
        subject=scopes.Visible,
        handler=show_self,
        name="show_self",
        summary="Show what the token of this request may do",
        text="`containers` and `permissions` are null if the token is not limited in them.",
        curl="call $url/auth/self",
        answer=record(
            {
                "id": described(
                    TEXT, "the id of the token, which is no secret; `master` for the master token"
                ),
                "master": described(FLAG, "whether it is the master token", example=False),
                "expires_at": nullable(_UNTIL),
                "containers": nullable(many(TEXT)),
                "permissions": nullable(_PERMISSIONS),
            }
        ),
    ),
    Route(
        method="POST",
        path="/auth/tokens",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=mint,
        name="mint_token",
        summary="Create a token",
        text="Without `containers` and `permissions` it has the permissions of the master token, except for routes that "
        "require the master token. With `remove_on_use` it can be used once; a WebSocket that was opened with it "
        "stays open.",
        curl="""call $url/auth/tokens -d '{"ttl":"1h","containers":["server-001"],"permissions":["console.read"]}'""",
        body=Body(
            TokenBody,
            schema=record(
                {"ttl": TTL},
                {
                    "remove_on_use": {**FLAG, "default": False},
                    "containers": described(
                        _CONTAINERS, "the containers that it can see; others are a 404 for it"
                    ),
                    "permissions": described(_PERMISSIONS, "what it may do; other permissions are denied"),
                },
                "The permissions and the lifetime of a new token.",
            ),
        ),
        answer=record(
            {
                "token": described(
                    TEXT,
                    "the token; shown only in this response",
                    example="lightd_Zk3v0Wq8uJ1rT5xYbN7cP2sD4fG6hK9mA_eQ-iLoUyR",
                ),
                "expires_at": _UNTIL,
                "id": TEXT,
            }
        ),
        errors=(*JSON, *RECORDS, "too_many_tokens"),
    ),
    Route(
        method="GET",
        path="/auth/tokens",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=list_live,
        name="list_tokens",
        summary="List valid tokens, without their secrets",
        curl="call $url/auth/tokens",
        text="All of them, the oldest first; with `limit` or `after` a page, sorted by `id`.",
        parameters=PAGE,
        answer=to_answer(
            "tokens",
            record(
                {
                    "id": TEXT,
                    "created_at": MOMENT,
                    "expires_at": _UNTIL,
                    "remove_on_use": FLAG,
                    "spent": described(FLAG, "whether its only use is over", example=False),
                    "containers": nullable(many(TEXT)),
                    "permissions": nullable(many(TEXT)),
                    "sockets": described(WHOLE, "its open WebSockets", unit="WebSockets", example=1),
                }
            ),
        ),
    ),
    Route(
        method="DELETE",
        path="/auth/tokens/{token_id}",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=revoke,
        name="revoke_token",
        summary="Revoke a token",
        text="Its open WebSockets are closed with 4401.",
        before="""old=$(call $url/auth/tokens -d '{"ttl":"5m"}' | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')""",
        curl="call -X DELETE $url/auth/tokens/$old",
        answer=record({"message": message("Token revoked successfully"), "id": TEXT}),
        errors=(*JSON, *RECORDS, "invalid_id", "token_not_found"),
    ),
)
