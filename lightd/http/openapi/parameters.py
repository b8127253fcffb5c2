"""The parameters of paths, queries and headers, by the names that entries use."""

from types import MappingProxyType
from typing import Annotated

from actors.tokens.messages import ID_LENGTH
from lightd.api import bodies
from lightd.engines.patterns import LONGEST
from lightd.files.paths import LONGEST_PATH
from lightd.http.openapi.schemas import PROTOCOL, TEXT, described, many
from lightd.http.openapi.vocabulary import OPERATION, VOLUME
from lightd.validation.schema import UNIT, Schema, to_schema


def _whole(unit: str, low: int, high: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high, UNIT: unit}
    return schema if default is None else {**schema, "default": default}


def _parameter(
    place: str, name: str, schema: Schema, means: str, example: object, *, required: bool
) -> Schema:
    found = {"name": name, "in": place, "required": required, "description": means}
    return {**found, "schema": schema, "example": example}


def _in_path(name: str, schema: Schema, means: str, example: object) -> Schema:
    return _parameter("path", name, schema, means, example, required=True)


def _in_query(name: str, schema: Schema, means: str, example: object, *, required: bool = False) -> Schema:
    return _parameter("query", name, schema, means, example, required=required)


def _in_header(name: str, means: str, example: str) -> Schema:
    return _parameter("header", name, TEXT, means, example, required=False)


_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_PATH}
_UPLOAD: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_LARGEST = 2**62
_TIME = (
    "Unix seconds, a date (`2026-01-31`), a time (`2026-01-31T12:00:00Z`), or a duration before now "
    "(`90s`, `1h30m`)"
)

PARAMETERS = MappingProxyType(
    {
        "internal_id": _in_path("internal_id", to_schema(bodies.InternalId), "the container", "server-001"),
        "volume_id": _in_path(
            "volume_id", {**to_schema(bodies.VolumeId), "format": "uuid"}, "the volume", VOLUME
        ),
        "operation_id": _in_path(
            "operation_id",
            {"type": "string", "pattern": "^[a-z]{1,20}-[0-9a-f]{32}$"},
            "the operation",
            OPERATION,
        ),
        "token_id": _in_path(
            "token_id",
            {"type": "string", "pattern": f"^[0-9a-f]{{{ID_LENGTH}}}$"},
            "the token",
            "9f86d081884c7d659a2feaa0",
        ),
        "credential_id": _in_path(
            "credential_id",
            {"type": "string", "pattern": "^sftp-[0-9a-f]{24}$"},
            "the SFTP credential",
            "sftp-0123456789abcdef01234567",
        ),
        "session_id": _in_path(
            "session_id",
            {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "the SFTP session",
            "0123456789abcdef0123456789abcdef",
        ),
        "egg_id": _in_path("egg_id", to_schema(bodies.EggId), "the egg", "minecraft-paper"),
        "ip": _in_path("ip", to_schema(bodies.Ip), "the address", "127.0.0.1"),
        "port": _in_path("port", to_schema(bodies.PortNumber), "the port", 25565),
        "wait": _in_query(
            "wait",
            {"type": "number", "minimum": 0, "maximum": 300, UNIT: "seconds"},
            "wait until the action has finished, for at most this many seconds",
            60,
        ),
        "since": _in_query("since", _whole("number", 0, _LARGEST, 0), "only entries after this `seq`", 4711),
        "limit": _in_query("limit", _whole("entries", 1, 1000, 100), "the maximum number of results", 100),
        "lines": _in_query("lines", _whole("lines", 1, 10_000, 100), "the maximum number of results", 100),
        "grep": _in_query(
            "grep",
            {"type": "string", "maxLength": LONGEST},
            "only lines whose text, without colours, matches this RE2 expression",
            "joined the game$",
        ),
        "since_time": _in_query("since", TEXT, f"only lines printed from this time on: {_TIME}", "10m"),
        "until_time": _in_query("until", TEXT, f"only lines printed before this time: {_TIME}", "30s"),
        "folder": _in_query(
            "path",
            {"type": "string", "maxLength": LONGEST_PATH},
            "the folder (default: the volume itself)",
            "config",
        ),
        "page": _in_query("limit", _whole("entries", 1, 10_000, 1000), "the maximum number of results", 100),
        "page_limit": _in_query(
            "limit",
            _whole("entries", 1, 1000),
            "the maximum number of results (default: all; 100 with `after`)",
            100,
        ),
        "after": _in_query(
            "after", {"type": "string", "maxLength": 200}, "`next` of the previous page", "server-001"
        ),
        "label": _in_query(
            "label",
            many(to_schema(Annotated[str, bodies.LABEL])),
            "only containers with this label: `name`, or `name=value`. Can be repeated: all of them are needed",
            ["customer=42"],
        ),
        "state": _in_query(
            "state",
            many(to_schema(Annotated[str, bodies.POWER_STATE])),
            "only containers in this `state`. Can be repeated: one of them is enough",
            ["running"],
        ),
        "cursor": _in_query("cursor", {"type": "string"}, "`next` of the previous page", "ZnNlcnZlci5qYXI"),
        "egg_version": _in_query(
            "version",
            to_schema(bodies.EggVersion),
            "a stored version (default: the newest)",
            "3f2a9c01b7de4a60",
        ),
        "path": _in_query(
            "path", _PATH, "the file, relative to the volume", "config/server.properties", required=True
        ),
        "upload": _in_query("upload", _UPLOAD, "a name for the upload, chosen by the client", "b1"),
        "upload_named": _in_query("upload", _UPLOAD, "the upload's name", "b1", required=True),
        "offset": _in_query(
            "offset", _whole("bytes", 0, _LARGEST, 0), "the position of this part in the file", 400
        ),
        "length": _in_query("length", _whole("bytes", 0, 10**18 - 1), "the size of the whole file", 1000),
        "protocol": _in_query(
            "protocol",
            PROTOCOL,
            "default: that of the only entry with this address and port, otherwise tcp",
            "tcp",
        ),
        "protocol_free": _in_query(
            "protocol", {**PROTOCOL, "default": "tcp"}, "the protocol of the port", "udp"
        ),
        "range": _in_header(
            "Range", "one range of bytes: `bytes=0-99`, or `bytes=-500` for the end", "bytes=0-99"
        ),
        "if_match": _in_header("If-Match", "412 if the file has another ETag", '"1a2b3c-3e8-18f0c4e2a"'),
        "if_none_match": _in_header(
            "If-None-Match", "`*`: only if the file does not exist; an ETag: 304 for a download", "*"
        ),
    }
)

SOCKET_PARAMETERS: MappingProxyType[str, Schema] = MappingProxyType(
    {
        "token": described(
            TEXT,
            "the token; it can be in `Authorization` instead, or be the sub-protocol `lightd.<token>`",
            example="lightd_Zk3v0Wq8uJ1rT5xYbN7cP2sD4fG6hK9mA_eQ-iLoUyR",
        ),
        "since": described(
            _whole("number", 0, 10**18 - 1),
            "first send the events after this `seq`",
            unit="number",
            example=4711,
        ),
        "since_line": described(
            _whole("number", 0, 10**18 - 1),
            "first send the lines after this one; only for a single container",
            unit="number",
            example=1040,
        ),
    }
)
"""The parameters in the query of a WebSocket."""
