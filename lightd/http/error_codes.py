"""Every error code with its HTTP status and its meaning: the one table for the daemon and for the document.

``CODES`` are of routes, ``SERVER_CODES`` of the server and the application before a request reaches a route,
``FRAME_CODES`` of WebSockets. Then groups of codes that several routes share.
"""

from types import MappingProxyType

import attrs


@attrs.frozen
class Code:
    """One error code."""

    status: int
    means: str


CODES = MappingProxyType(
    {
        "invalid_request": Code(
            400, "a field or query parameter is missing, unknown, out of range or of the wrong type"
        ),
        "malformed_json": Code(400, "the body is not a JSON object"),
        "invalid_id": Code(400, "the id in the path is malformed"),
        "invalid_path": Code(400, "the path leads out of the volume or is malformed"),
        "invalid_cursor": Code(400, "the cursor is not from a listing"),
        "invalid_mode": Code(400, "the mode is not three octal digits"),
        "invalid_archive": Code(400, "the archive cannot be read, or exceeds a limit"),
        "invalid_egg": Code(400, "the egg file cannot be read; the message names the field"),
        "invalid_configuration": Code(400, "the configuration file has mistakes; all are listed"),
        "unauthorized": Code(401, "no token, or an invalid one"),
        "permission_denied": Code(403, "the token lacks the permission"),
        "master_token_required": Code(403, "only the master token can do this"),
        "vendor_header_required": Code(403, "the Accept header lacks the vendor's media type"),
        "mount_not_allowed": Code(403, "the configuration does not allow this host path"),
        "writable_root_not_allowed": Code(403, "the configuration allows no writable root file system"),
        "file_denied": Code(403, "the file is on the deny list of a server of this volume"),
        "container_not_found": Code(404, "no such container"),
        "volume_not_found": Code(404, "no such volume"),
        "install_log_not_found": Code(404, "no installer has run for this container"),
        "operation_not_found": Code(404, "no such operation, or it has been forgotten"),
        "port_not_found": Code(404, "the pool has no such port"),
        "token_not_found": Code(404, "no such token, or it has expired"),
        "credential_not_found": Code(404, "no such SFTP credential, or it has expired"),
        "egg_not_found": Code(404, "no such egg, or it has no such version"),
        "no_available_ports": Code(404, "no port of the pool is free"),
        "file_not_found": Code(404, "no file at this path"),
        "not_found": Code(404, "it was deleted in the meantime"),
        "already_exists": Code(409, "the id is in use"),
        "egg_in_use": Code(409, "containers use the egg; the message names them"),
        "egg_damaged": Code(409, "the stored file of the egg is damaged: import it again"),
        "too_many_eggs": Code(409, "there is no room for another egg or version; the message says which"),
        "not_from_egg": Code(409, "the container was not created from an egg"),
        "not_adoptable": Code(409, "there is nothing that can be adopted; the message says why"),
        "no_free_user": Code(409, "every user of docker.user_range has a volume"),
        "installing": Code(409, "the container is being installed"),
        "changing": Code(409, "the container is being changed"),
        "install_failed": Code(409, "the container failed to install"),
        "deleting": Code(409, "the container is being deleted"),
        "variables_missing": Code(409, "variables of the egg must be filled in first; all are listed"),
        "no_query": Code(409, "the container has no query, or no port that it can be sent to"),
        "query_disabled": Code(409, "the configuration switches queries off"),
        "not_running": Code(409, "the container does not run"),
        "not_quarantined": Code(409, "the container is not in quarantine"),
        "limits_refused": Code(409, "the engine rejected these limits; nothing was changed"),
        "port_exists": Code(409, "the port is already in the pool"),
        "port_in_use": Code(409, "a container holds the port"),
        "volume_in_use": Code(409, "a container uses the volume"),
        "volume_not_mounted": Code(409, "the folder of the volumes is not mounted"),
        "quota_below_usage": Code(409, "the volume contains more than that"),
        "file_exists": Code(409, "a file exists at the destination"),
        "wrong_kind": Code(409, "a file of another type exists there"),
        "file_not_allowed": Code(409, "access to the file is not allowed, or it keeps changing"),
        "file_in_use": Code(409, "a program of the server holds the file under a lease"),
        "tree_too_deep": Code(409, "the tree has too many levels"),
        "invalid_offset": Code(409, "the part does not begin where the previous one ended"),
        "token_spent": Code(409, "the single-use token was already used"),
        "too_many_tokens": Code(409, "the maximum number of tokens is reached"),
        "too_many_credentials": Code(409, "the maximum number of SFTP credentials is reached"),
        "input_refused": Code(409, "the process takes no input, or has too much of it waiting"),
        "operation_failed": Code(409, "the action failed while the request waited for it; `error` says why"),
        "cancelled": Code(409, "the operation was cancelled on request"),
        "precondition_failed": Code(412, "the file does not match the precondition"),
        "range_not_satisfiable": Code(416, "the file has no bytes in this range"),
        "too_many_attempts": Code(429, "too many wrong tokens came from this address"),
        "too_many_requests": Code(429, "the token has the maximum number of requests in progress"),
        "too_often": Code(429, "the token does this to this container or volume too often"),
        "volume_busy": Code(429, "too many operations are running and waiting in this volume"),
        "internal_error": Code(500, "an internal error; the log has details under the same `request_id`"),
        "engine_unavailable": Code(503, "the container engine does not answer"),
        "quarantined": Code(503, "the container is in quarantine, and can be revived"),
        "overloaded": Code(503, "too many requests are in progress; try again later"),
        "no_space": Code(507, "the volume's quota or the disk is full"),
        "journal_unavailable": Code(507, "the journal cannot be written; nothing was done"),
    }
)

SERVER_CODES = MappingProxyType(
    {
        "bad_request": Code(400, "the request cannot be parsed"),
        "malformed_request": Code(400, "the request is not valid HTTP/1.1"),
        "malformed_target": Code(400, "the request target is neither a path nor an http URL"),
        "malformed_host": Code(400, "the Host header is not a host name"),
        "ambiguous_length": Code(400, "the length of the body is given in two ways"),
        "origin_not_allowed": Code(403, "the web page that sent it is not an allowed origin"),
        "host_not_allowed": Code(
            403, "authorization is off, and the Host header is not a name of this machine"
        ),
        "malformed_handshake": Code(400, "the WebSocket handshake is not valid"),
        "websocket_mismatch": Code(
            400,
            "the route takes WebSockets only, or the request is a WebSocket and the route takes none",
        ),
        "route_not_found": Code(404, "no such route"),
        "method_not_allowed": Code(405, "the route does not support this method"),
        "request_timeout": Code(408, "the headers or the body did not arrive in time"),
        "body_too_large": Code(413, "the body exceeds the route's limit"),
        "headers_too_large": Code(431, "the headers are too large"),
        "not_implemented": Code(501, "the transfer coding is not supported"),
        "too_many_connections": Code(429, "too many connections from this address; 503: in total"),
        "refused": Code(400, "any other error; the status says which"),
        "http_version_not_supported": Code(505, "only HTTP/1.1 is supported"),
    }
)
"""Errors that the server can return for any request, before it reaches a route."""

FRAME_CODES = MappingProxyType(
    {
        "too_many_messages": Code(429, "more frames per second than one WebSocket can send"),
        "too_many_sockets": Code(
            429, "the container, or the token, has the maximum number of WebSockets open"
        ),
    }
)

STATUSES = MappingProxyType(
    {code: each.status for table in (CODES, SERVER_CODES, FRAME_CODES) for code, each in table.items()}
)

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
ENDED = ("operation_failed", "cancelled")
"""How an action that a request waits for can end without success."""
VOLUME = ("invalid_id", "volume_not_found")
FILES = (
    *VOLUME,
    *("invalid_path", "file_denied", "file_not_found", "wrong_kind", "file_exists", "file_not_allowed"),
    "file_in_use",
    *("tree_too_deep", "volume_busy", "overloaded", "no_space"),
)
