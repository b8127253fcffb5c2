"""Every code of an error, with its status and what it means; and which of them come together."""

from types import MappingProxyType

import attrs


@attrs.frozen
class Fault:
    """One code."""

    status: int
    means: str


CODES = MappingProxyType(
    {
        "invalid_request": Fault(
            400, "a field or query parameter is missing, unknown, ill-typed or out of range"
        ),
        "malformed_json": Fault(400, "the body is no JSON object"),
        "invalid_id": Fault(400, "the id in the path can't be one"),
        "invalid_path": Fault(400, "the path leads out of the volume, or can't be one"),
        "invalid_cursor": Fault(400, "the cursor is not one that a listing gave"),
        "invalid_mode": Fault(400, "the mode is not three octal digits"),
        "invalid_archive": Fault(400, "the archive can't be read, or goes over a ceiling"),
        "invalid_configuration": Fault(400, "the file of the configuration has mistakes; all are named"),
        "unauthorized": Fault(401, "no token, or one that isn't valid"),
        "permission_denied": Fault(403, "the token's scope lacks the permission"),
        "master_token_required": Fault(403, "the master token alone may do this"),
        "vendor_header_required": Fault(403, "the Accept header lacks the vendor's media type"),
        "mount_not_allowed": Fault(403, "the configuration doesn't allow that path of the host"),
        "container_not_found": Fault(404, "no such container"),
        "volume_not_found": Fault(404, "no such volume"),
        "operation_not_found": Fault(404, "no such operation, or one that is long over"),
        "port_not_found": Fault(404, "the pool has no such port"),
        "token_not_found": Fault(404, "no such token, or one that is over"),
        "no_available_ports": Fault(404, "no port of the pool is free"),
        "file_not_found": Fault(404, "nothing is at that path"),
        "not_found": Fault(404, "it went meanwhile"),
        "already_exists": Fault(409, "the id is taken"),
        "installing": Fault(409, "the container is being installed"),
        "changing": Fault(409, "the container is being changed"),
        "install_failed": Fault(409, "the container failed to install"),
        "deleting": Fault(409, "the container is being deleted"),
        "not_quarantined": Fault(409, "the container is not in quarantine"),
        "limits_refused": Fault(409, "the engine refuses these limits; nothing was changed"),
        "port_exists": Fault(409, "the pool has this port"),
        "port_in_use": Fault(409, "a container holds the port"),
        "volume_in_use": Fault(409, "a container is on the volume"),
        "volume_not_mounted": Fault(409, "the place where volumes are isn't there"),
        "quota_below_usage": Fault(409, "the volume holds more than that"),
        "file_exists": Fault(409, "something is there"),
        "wrong_kind": Fault(409, "what is there is of another kind"),
        "file_not_allowed": Fault(409, "what is there may not be touched, or keeps changing"),
        "file_in_use": Fault(409, "a program of the server holds the file under a lease"),
        "tree_too_deep": Fault(409, "the tree has too many levels"),
        "invalid_offset": Fault(409, "the piece doesn't begin where the last one ended"),
        "token_spent": Fault(409, "the token was for one use, which it had"),
        "too_many_tokens": Fault(409, "there are as many tokens as may be"),
        "cancelled": Fault(409, "the operation was cancelled on request"),
        "precondition_failed": Fault(412, "the file is not the one that was meant"),
        "range_not_satisfiable": Fault(416, "none of the file's bytes is in that range"),
        "too_many_attempts": Fault(429, "too many wrong tokens came from this address"),
        "too_often": Fault(429, "the token does this to this container or volume too often"),
        "volume_busy": Fault(429, "as much is under way in the volume, and waits, as may"),
        "internal_error": Fault(500, "a bug; the log line has the same `request_id`"),
        "engine_unavailable": Fault(503, "the container engine does not answer"),
        "quarantined": Fault(503, "the container is in quarantine, and can be revived"),
        "overloaded": Fault(503, "too much is under way; try again later"),
        "no_space": Fault(507, "the volume's quota, or the disk, is full"),
        "journal_unavailable": Fault(507, "nothing can be recorded, so nothing was done"),
    }
)

OF_THE_SERVER = MappingProxyType(
    {
        "bad_request": Fault(400, "the request could not be read"),
        "malformed_request": Fault(400, "it is not valid HTTP/1.1"),
        "malformed_target": Fault(400, "its target is neither a path nor an http URL"),
        "malformed_host": Fault(400, "its Host is not a host name"),
        "ambiguous_length": Fault(400, "it says in two ways how long its body is"),
        "origin_not_allowed": Fault(403, "a browser sent it from a page that may not"),
        "malformed_handshake": Fault(400, "it is no valid WebSocket handshake"),
        "websocket_mismatch": Fault(400, "the route is for WebSockets alone, or for none"),
        "route_not_found": Fault(404, "no such route"),
        "method_not_allowed": Fault(405, "the route does not take that method"),
        "request_timeout": Fault(408, "the headers or the body did not arrive in time"),
        "body_too_large": Fault(413, "the body is over the route's limit"),
        "headers_too_large": Fault(431, "the headers are too large"),
        "not_implemented": Fault(501, "the transfer coding is not supported"),
        "too_many_connections": Fault(429, "the address has too many connections; 503: the daemon has"),
        "refused": Fault(400, "whatever else; another status says what"),
        "http_version_not_supported": Fault(505, "only HTTP/1.1 is spoken"),
    }
)
"""What the server may answer to any request, before or instead of a route."""

ALWAYS = (
    *("invalid_request", "unauthorized", "vendor_header_required", "too_many_attempts", "internal_error"),
    *("overloaded", "journal_unavailable"),
)
"""The last two: a token for one use is spent in the journal."""

JSON = ("malformed_json",)
RECORDS = ("journal_unavailable", "overloaded")
CONTAINER = ("invalid_id", "container_not_found")
ACTS = (*CONTAINER, "not_found", "deleting", "quarantined", *RECORDS)
CHANGES = (*ACTS, "installing", "changing", "install_failed", "engine_unavailable", "too_often")
VOLUME = ("invalid_id", "volume_not_found")
FILES = (
    *VOLUME,
    *("invalid_path", "file_not_found", "wrong_kind", "file_exists", "file_not_allowed", "file_in_use"),
    *("tree_too_deep", "volume_busy", "overloaded", "no_space"),
)
