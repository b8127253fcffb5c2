"""All error codes with their statuses and meanings, and groups of them."""

from types import MappingProxyType

import attrs


@attrs.frozen
class Fault:
    """One error code."""

    status: int
    means: str


CODES = MappingProxyType(
    {
        "invalid_request": Fault(
            400, "a field or query parameter is missing, unknown, out of range or of the wrong type"
        ),
        "malformed_json": Fault(400, "the body is not a JSON object"),
        "invalid_id": Fault(400, "the id in the path is malformed"),
        "invalid_path": Fault(400, "the path leads out of the volume or is malformed"),
        "invalid_cursor": Fault(400, "the cursor is not from a listing"),
        "invalid_mode": Fault(400, "the mode is not three octal digits"),
        "invalid_archive": Fault(400, "the archive can't be read, or exceeds a limit"),
        "invalid_configuration": Fault(400, "the configuration file has mistakes; all are listed"),
        "unauthorized": Fault(401, "no token, or an invalid one"),
        "permission_denied": Fault(403, "the token lacks the permission"),
        "master_token_required": Fault(403, "only the master token can do this"),
        "vendor_header_required": Fault(403, "the Accept header lacks the vendor's media type"),
        "mount_not_allowed": Fault(403, "the configuration does not allow this host path"),
        "writable_root_not_allowed": Fault(403, "the configuration allows no writable root file system"),
        "container_not_found": Fault(404, "no such container"),
        "volume_not_found": Fault(404, "no such volume"),
        "operation_not_found": Fault(404, "no such operation, or it has been forgotten"),
        "port_not_found": Fault(404, "the pool has no such port"),
        "token_not_found": Fault(404, "no such token, or it has expired"),
        "no_available_ports": Fault(404, "no port of the pool is free"),
        "file_not_found": Fault(404, "no file at this path"),
        "not_found": Fault(404, "it was deleted in the meantime"),
        "already_exists": Fault(409, "the id is in use"),
        "no_free_user": Fault(409, "every user of docker.user_range has a volume"),
        "installing": Fault(409, "the container is being installed"),
        "changing": Fault(409, "the container is being changed"),
        "install_failed": Fault(409, "the container failed to install"),
        "deleting": Fault(409, "the container is being deleted"),
        "not_quarantined": Fault(409, "the container is not in quarantine"),
        "limits_refused": Fault(409, "the engine rejected these limits; nothing was changed"),
        "port_exists": Fault(409, "the port is already in the pool"),
        "port_in_use": Fault(409, "a container holds the port"),
        "volume_in_use": Fault(409, "a container uses the volume"),
        "volume_not_mounted": Fault(409, "the folder of the volumes is not mounted"),
        "quota_below_usage": Fault(409, "the volume contains more than that"),
        "file_exists": Fault(409, "a file exists at the destination"),
        "wrong_kind": Fault(409, "a file of another type exists there"),
        "file_not_allowed": Fault(409, "access to the file is not allowed, or it keeps changing"),
        "file_in_use": Fault(409, "a program of the server holds the file under a lease"),
        "tree_too_deep": Fault(409, "the tree has too many levels"),
        "invalid_offset": Fault(409, "the part does not begin where the previous one ended"),
        "token_spent": Fault(409, "the single-use token was already used"),
        "too_many_tokens": Fault(409, "the maximum number of tokens is reached"),
        "cancelled": Fault(409, "the operation was cancelled on request"),
        "precondition_failed": Fault(412, "the file does not match the precondition"),
        "range_not_satisfiable": Fault(416, "the file has no bytes in this range"),
        "too_many_attempts": Fault(429, "too many wrong tokens came from this address"),
        "too_many_requests": Fault(429, "the token has as many requests in progress as it may"),
        "too_often": Fault(429, "the token does this to this container or volume too often"),
        "volume_busy": Fault(429, "as much is under way in the volume, and waits, as may"),
        "internal_error": Fault(500, "an internal error; the log has details under the same `request_id`"),
        "engine_unavailable": Fault(503, "the container engine does not answer"),
        "quarantined": Fault(503, "the container is in quarantine, and can be revived"),
        "overloaded": Fault(503, "too many requests are in progress; try again later"),
        "no_space": Fault(507, "the volume's quota or the disk is full"),
        "journal_unavailable": Fault(507, "the journal cannot be written; nothing was done"),
    }
)

OF_THE_SERVER = MappingProxyType(
    {
        "bad_request": Fault(400, "the request cannot be parsed"),
        "malformed_request": Fault(400, "the request is not valid HTTP/1.1"),
        "malformed_target": Fault(400, "the request target is neither a path nor an http URL"),
        "malformed_host": Fault(400, "the Host header is not a host name"),
        "ambiguous_length": Fault(400, "the length of the body is given in two ways"),
        "origin_not_allowed": Fault(403, "the web page that sent it is not an allowed origin"),
        "host_not_allowed": Fault(
            403, "authorization is off, and the Host header is not a name of this machine"
        ),
        "malformed_handshake": Fault(400, "the WebSocket handshake is not valid"),
        "websocket_mismatch": Fault(400, "the route is only for WebSockets, or not for WebSockets"),
        "route_not_found": Fault(404, "no such route"),
        "method_not_allowed": Fault(405, "the route does not support this method"),
        "request_timeout": Fault(408, "the headers or the body did not arrive in time"),
        "body_too_large": Fault(413, "the body exceeds the route's limit"),
        "headers_too_large": Fault(431, "the headers are too large"),
        "not_implemented": Fault(501, "the transfer coding is not supported"),
        "too_many_connections": Fault(429, "too many connections from this address; 503: in total"),
        "refused": Fault(400, "any other error; the status says which"),
        "http_version_not_supported": Fault(505, "only HTTP/1.1 is supported"),
    }
)
"""Errors that the server can return for any request, before it reaches a route."""

ALWAYS = (
    *("invalid_request", "unauthorized", "vendor_header_required", "too_many_attempts", "internal_error"),
    "too_many_requests",
    *("overloaded", "journal_unavailable"),
)
"""The last two occur because using a single-use token is recorded in the journal."""

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
