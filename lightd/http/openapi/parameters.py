"""The parameters of paths, queries and headers, by the names that entries use."""

from types import MappingProxyType

from lightd.api import bodies
from lightd.files.paths import LONGEST_PATH
from lightd.http.openapi.schemas import PROTOCOL, TEXT, WHOLE, described
from lightd.validation.schema import Schema, to_schema


def _whole(low: int, high: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def _in_path(name: str, schema: Schema, means: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": means, "schema": schema}


def _in_query(name: str, schema: Schema, means: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "description": means, "schema": schema}


def _in_header(name: str, means: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": means, "schema": TEXT}


_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_PATH}
_UPLOAD: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}

PARAMETERS = MappingProxyType(
    {
        "internal_id": _in_path("internal_id", to_schema(bodies.InternalId), "the container"),
        "volume_id": _in_path("volume_id", {**to_schema(bodies.VolumeId), "format": "uuid"}, "the volume"),
        "operation_id": _in_path(
            "operation_id", {"type": "string", "pattern": "^[a-z]{1,20}-[0-9a-f]{32}$"}, "the operation"
        ),
        "token_id": _in_path("token_id", {"type": "string", "pattern": "^[0-9a-f]+$"}, "the token"),
        "ip": _in_path("ip", to_schema(bodies.Ip), "the address"),
        "port": _in_path("port", to_schema(bodies.PortNumber), "the port"),
        "wait": _in_query(
            "wait",
            {"type": "number", "minimum": 0, "maximum": 300},
            "wait until the action has finished, for at most this many seconds",
        ),
        "since": _in_query("since", _whole(0, 2**62, 0), "only entries after this `seq`"),
        "limit": _in_query("limit", _whole(1, 1000, 100), "the maximum number of results"),
        "lines": _in_query("lines", _whole(1, 10_000, 100), "the maximum number of results"),
        "folder": _in_query(
            "path", {"type": "string", "maxLength": LONGEST_PATH}, "the folder (default: the volume itself)"
        ),
        "page": _in_query("limit", _whole(1, 10_000, 1000), "the maximum number of results"),
        "cursor": _in_query("cursor", {"type": "string"}, "`next` of the previous page"),
        "path": _in_query("path", _PATH, "the file, relative to the volume", required=True),
        "upload": _in_query("upload", _UPLOAD, "a name for the upload, chosen by the client"),
        "upload_named": _in_query("upload", _UPLOAD, "the upload's name", required=True),
        "offset": _in_query("offset", _whole(0, 2**62, 0), "the position of this part in the file"),
        "length": _in_query("length", _whole(0, 10**18 - 1), "the size of the whole file in bytes"),
        "protocol": _in_query(
            "protocol", PROTOCOL, "default: that of the only entry with this address and port, otherwise tcp"
        ),
        "protocol_free": _in_query(
            "protocol", described(PROTOCOL, "default: tcp"), "the protocol of the port"
        ),
        "range": _in_header("Range", "one range of bytes, for example `bytes=0-99` or `bytes=-500`"),
        "if_match": _in_header("If-Match", "412 if the file has another ETag"),
        "if_none_match": _in_header(
            "If-None-Match", "`*`: only if the file does not exist; an ETag: 304 for a download"
        ),
    }
)

SOCKET_PARAMETERS: MappingProxyType[str, Schema] = MappingProxyType(
    {
        "token": described(TEXT, "the token; or in `Authorization`, or as the sub-protocol `lightd.<token>`"),
        "since": described(WHOLE, "first send the events after this `seq`"),
        "since_line": described(WHOLE, "first send the lines after this one; only for a single container"),
    }
)
"""The parameters in the query of a WebSocket."""
