"""The routes of SFTP: how to connect, the credentials of a container, and the open sessions."""

import re
import uuid
from functools import partial
from typing import Annotated, Any, Final

import attrs
import trio
from quart import Response, request

from actors.kernel.decider import Rejection
from actors.sftp.decider import Credential
from actors.sftp.messages import Add, Remove
from lightd.access import passwords, public_keys, scopes
from lightd.access.sftp_sessions import CREDENTIAL, SftpSession
from lightd.api import bodies
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import bad_request
from lightd.audit.trail import about
from lightd.http.error_codes import CONTAINER, JSON, RECORDS
from lightd.http.identity import of_request
from lightd.http.listing import PAGE, to_answer, to_listing
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, described, many, message, record, words
from lightd.http.route import Body, Route
from lightd.http.routes import containers
from lightd.http.routes.tokens import TTL, to_ttl
from lightd.http.wire import read_body, refuse_body, to_json
from lightd.sftp.places import Places
from lightd.system import System
from lightd.validation.rules import Invalid, Rule
from lightd.validation.schema import Described, nullable, to_schema

SHORTEST: Final = 8
LONGEST: Final = 256
"""Characters of a password."""
MOST_KEYS: Final = 20
_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_CREDENTIAL_ID: Final = re.compile(rf"{CREDENTIAL}[0-9a-f]{{24}}")
_SESSION_ID: Final = re.compile(r"[0-9a-f]{32}")
_HASHING: Final = trio.CapacityLimiter(1)


def _username(value: object) -> str:
    if not isinstance(value, str) or not _USERNAME.fullmatch(value):
        raise Invalid("must be 1 to 32 characters of a-z, 0-9, _ and -, and begin with a letter or a digit")
    return value


def _password(value: object) -> str:
    if not isinstance(value, str) or not SHORTEST <= len(value) <= LONGEST or "\0" in value:
        raise Invalid(f"must have {SHORTEST} to {LONGEST} characters")
    return value


def _public_keys(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_KEYS:
        raise Invalid(f"must be a list of at most {MOST_KEYS} public keys")
    found = []
    for number, each in enumerate(value, start=1):
        try:
            found.append(public_keys.to_key(each if isinstance(each, str) else ""))
        except ValueError as error:
            raise Invalid(f"entry {number} {error}") from None
    return tuple(dict.fromkeys(found))


_NAME: Final = {
    "type": "string",
    "pattern": f"^{_USERNAME.pattern}$",
    "description": "the part of the user name before the container's id; without it the id is the user name",
    "examples": ["backup"],
}
_SECRET: Final = {
    "type": "string",
    "minLength": SHORTEST,
    "maxLength": LONGEST,
    "description": "a password; only its slow hash is stored",
    "examples": ["correct horse battery"],
}
_KEYS: Final = {
    "type": "array",
    "items": {"type": "string"},
    "maxItems": MOST_KEYS,
    "description": "public keys as OpenSSH writes them: ed25519, ecdsa, or rsa with at least 2048 bits",
    "examples": [
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpQ4Jb0Zb0p0v3m5n0y1n0q9Jd7k2b0p0v3m5n0y1n0 me@home"]
    ],
}


@attrs.frozen
class CredentialBody:
    """A new SFTP credential of a container: a password, public keys, or both."""

    username: Annotated[str, Rule("a text", _username, _NAME)] = ""
    password: Annotated[str, Rule("a text", _password, _SECRET)] = ""
    public_keys: Annotated[tuple[str, ...], Rule("a list", _public_keys, _KEYS)] = ()
    read_only: Annotated[bodies.Flag, Described("whether it cannot change files", example=True)] = False
    ttl: Annotated[int, Rule("a duration", to_ttl, TTL)] = 0


async def show(system: System, internal_id: str) -> Response:
    containers.find(system, internal_id)
    await refuse_body()
    places = Places(system.config.storage.base_path / "sftp")
    keys = await trio.to_thread.run_sync(lambda: list(places.fingerprints()))
    now, endings = system.clock(), system.fleet.endings
    host = (
        (request.host or "").rsplit(":", 1)[0]
        if not request.host.startswith("[")
        else request.host.split("]")[0] + "]"
    )
    port = _to_port(system)
    admin = of_request().grant.allows("admin")
    credentials = [
        _to_shown(each)
        for each in system.sftp.view.state.credentials.values()
        if admin and each.internal_id == internal_id and each.opens(now, endings)
    ]
    return to_json(
        {
            "enabled": system.config.sftp.enabled,
            "listening": list(system.sftp_addresses),
            "username": internal_id,
            "port": port,
            "address": f"sftp://{internal_id}@{host}:{port}/",
            "host_keys": [{"type": kind, "fingerprint": fingerprint} for kind, fingerprint in keys],
            "credentials": credentials,
            "sessions": len(system.sftp_sessions.of(internal_id)),
        }
    )


def _to_port(system: System) -> int:
    for address in system.sftp_addresses:
        return int(address.rsplit(":", 1)[1])
    return system.config.sftp.port


def _to_shown(credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.credential_id,
        "login": credential.login,
        "has_password": bool(credential.password_hash),
        "public_keys": [public_keys.to_fingerprint(key) for key in credential.public_keys],
        "read_only": credential.read_only,
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
    }


async def add(system: System, internal_id: str) -> Response:
    containers.find(system, internal_id)
    body = await read_body(CredentialBody)
    if not body.password and not body.public_keys:
        raise bad_request("password: is required without public_keys")
    hashed = ""
    if body.password:
        hashed = await trio.to_thread.run_sync(passwords.hash_password, body.password, limiter=_HASHING)
    member = containers.find(system, internal_id)
    credential_id, now = f"{CREDENTIAL}{uuid.uuid4().hex[:24]}", system.clock()
    about(credential_id)
    command = Add(
        credential_id,
        member.internal_id,
        body.username,
        hashed,
        body.public_keys,
        body.read_only,
        now,
        now + body.ttl if body.ttl else None,
    )
    await settle(partial(system.sftp.ref.ask, command, begin_operation("credential")))
    return to_json(
        {"message": "SFTP credential created", **_to_shown(system.sftp.view.state.credentials[credential_id])}
    )


async def remove(system: System, internal_id: str, credential_id: str) -> Response:
    containers.find(system, internal_id)
    if not _CREDENTIAL_ID.fullmatch(credential_id):
        raise bad_request(f"credential_id: must be {CREDENTIAL} and 24 hexadecimal digits", "invalid_id")
    await refuse_body()
    held = system.sftp.view.state.credentials.get(credential_id)
    if held is not None and held.is_outlived(system.fleet.endings):
        raise Rejection("credential_not_found", "no such credential")
    command = Remove(internal_id, credential_id, system.clock())
    await settle(partial(system.sftp.ref.ask, command, begin_operation("credential")))
    return to_json({"message": "SFTP credential removed", "id": credential_id})


async def list_sessions(system: System) -> Response:
    await refuse_body()
    grant = of_request().grant
    seen = [each for each in system.sftp_sessions.open.values() if grant.reaches(each.internal_id)]
    return await to_listing("sessions", seen, _to_session, lambda session: session.session_id)


async def end_session(system: System, session_id: str) -> Response:
    if not _SESSION_ID.fullmatch(session_id):
        raise bad_request("session_id: must be 32 hexadecimal digits", "invalid_id")
    await refuse_body()
    session = system.sftp_sessions.open.get(session_id)
    if session is not None:
        session.end("it was ended by an operator")
    return to_json({"message": "SFTP session ended", "id": session_id, "was_open": session is not None})


def _to_session(session: SftpSession) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "internal_id": session.internal_id,
        "username": session.username,
        "method": session.method,
        "credential": session.credential,
        "address": session.address,
        "read_only": session.read_only,
        "started_at": session.started_at,
        "bytes_read": session.read,
        "bytes_written": session.written,
        "files": session.files,
    }


_LOGIN = described(TEXT, "the user name to log in with", example="backup.server-001")
_SHOWN = {
    "id": described(TEXT, "the id of the credential", example="sftp-0123456789abcdef01234567"),
    "login": _LOGIN,
    "has_password": described(FLAG, "whether it has a password", example=True),
    "public_keys": described(
        many(TEXT),
        "the fingerprints of its keys",
        example=["SHA256:uNiVztksCsDhcc0u9e8BrXJXeqcZHzX9JcS8EnQ0kVc"],
    ),
    "read_only": described(FLAG, "whether it cannot change files", example=False),
    "created_at": MOMENT,
    "expires_at": nullable(described(MOMENT, "when it expires, null for never", example=1700003600.5)),
}

ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/sftp",
        permission="files.read",
        subject=scopes.Container,
        handler=show,
        name="show_sftp",
        summary="Show how to reach the files of a container over SFTP",
        text="The user name is the id of the container, and the password a token with `files.read`; without "
        "`files.write` nothing can be changed. Credentials are shown to tokens with `admin`.",
        curl="call $url/containers/server-002/sftp",
        answer=record(
            {
                "enabled": described(FLAG, "whether the configuration has `sftp.enabled`", example=True),
                "listening": described(
                    many(TEXT), "where SFTP is served now; empty while it is not", example=["0.0.0.0:2022"]
                ),
                "username": described(TEXT, "the user name for a token as password", example="server-001"),
                "port": described(to_schema(bodies.PortNumber), "the port of SFTP", example=2022),
                "address": described(
                    TEXT,
                    "the address for a client, with the host of this request",
                    example="sftp://server-001@node.example:2022/",
                ),
                "host_keys": described(
                    many(
                        record(
                            {
                                "type": described(TEXT, "the kind of the key", example="ssh-ed25519"),
                                "fingerprint": described(
                                    TEXT,
                                    "what a client shows at its first connection",
                                    example="SHA256:uNiVztksCsDhcc0u9e8BrXJXeqcZHzX9JcS8EnQ0kVc",
                                ),
                            }
                        )
                    ),
                    "the keys of the node; empty before SFTP was served for the first time",
                ),
                "credentials": described(many(record(_SHOWN)), "the container's own credentials"),
                "sessions": described(WHOLE, "the sessions that are open now", unit="sessions", example=1),
            }
        ),
        errors=CONTAINER,
    ),
    Route(
        method="POST",
        path="/containers/{internal_id}/sftp/credentials",
        permission="admin",
        subject=scopes.Container,
        handler=add,
        name="create_sftp_credential",
        summary="Create an SFTP credential",
        text="With a password, public keys, or both. It is for this container alone, and is removed with it. At most "
        "20 for a container.",
        curl="call $url/containers/server-002/sftp/credentials "
        """-d '{"username":"backup","password":"correct horse battery","read_only":true}'""",
        body=Body(CredentialBody),
        answer=record({"message": message("SFTP credential created"), **_SHOWN}),
        errors=(*CONTAINER, *JSON, *RECORDS, "too_many_credentials"),
    ),
    Route(
        method="DELETE",
        path="/containers/{internal_id}/sftp/credentials/{credential_id}",
        permission="admin",
        subject=scopes.Container,
        handler=remove,
        name="delete_sftp_credential",
        summary="Remove an SFTP credential",
        text="Its open sessions are ended within a second.",
        before="""made=$(call $url/containers/server-002/sftp/credentials -d '{"username":"old","password":"correct horse"}' """
        """| sed 's/.*"id":"\\([^"]*\\)".*/\\1/')""",
        curl="call -X DELETE $url/containers/server-002/sftp/credentials/$made",
        answer=record({"message": message("SFTP credential removed"), "id": TEXT}),
        errors=(*CONTAINER, *RECORDS, "invalid_id", "credential_not_found"),
    ),
    Route(
        method="GET",
        path="/sftp/sessions",
        permission="admin",
        subject=scopes.Visible,
        handler=list_sessions,
        name="list_sftp_sessions",
        summary="List the open SFTP sessions",
        text="Of the containers that the token can see.",
        parameters=PAGE,
        curl="call $url/sftp/sessions",
        answer=to_answer(
            "sessions",
            record(
                {
                    "id": described(
                        TEXT, "the id of the session", example="0123456789abcdef0123456789abcdef"
                    ),
                    "internal_id": described(TEXT, "the container", example="server-001"),
                    "username": _LOGIN,
                    "method": described(words("password", "public_key"), "how the client has logged in"),
                    "credential": described(
                        TEXT, "the id of its token, or of its SFTP credential", example="master"
                    ),
                    "address": described(TEXT, "the client's address", example="192.0.2.7"),
                    "read_only": described(FLAG, "whether it cannot change files", example=False),
                    "started_at": MOMENT,
                    "bytes_read": described(WHOLE, "what it has downloaded", unit="bytes", example=1048576),
                    "bytes_written": described(WHOLE, "what it has uploaded", unit="bytes", example=0),
                    "files": described(WHOLE, "files that it has opened", unit="files", example=3),
                }
            ),
        ),
    ),
    Route(
        method="DELETE",
        path="/sftp/sessions/{session_id}",
        permission="admin",
        subject=scopes.Node,
        handler=end_session,
        name="end_sftp_session",
        summary="End an SFTP session",
        text="The client is disconnected within a second; its credential stays valid. Nothing happens if the session has ended already.",
        curl="call -X DELETE $url/sftp/sessions/0123456789abcdef0123456789abcdef",
        answer=record(
            {
                "message": message("SFTP session ended"),
                "id": TEXT,
                "was_open": described(FLAG, "whether it was open until now", example=True),
            }
        ),
        errors=(*JSON, "invalid_id"),
    ),
)
