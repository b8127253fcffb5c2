"""A sentence of each error, as the daemon says it, for the examples of responses.

A code without a row has its meaning from ``error_codes`` as its example.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lightd.http.openapi.vocabulary import OPERATION

FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "internal_error": {"request_id": "5f1c7d0e9b2a4c36"},
        "operation_failed": {
            "message": "Container start failed",
            "internal_id": "server-001",
            "operation_id": OPERATION,
            "status": "failed",
        },
    }
)
"""The fields that an error has beside its sentence and its code."""

MESSAGES = MappingProxyType(
    {
        "invalid_request": "ports: is missing",
        "malformed_json": "the body is not valid JSON: Expecting value: line 1 column 1 (char 0)",
        "invalid_id": "token_id: must be 24 hexadecimal digits",
        "invalid_path": "Invalid path: path traversal detected",
        "invalid_archive": "The archive is damaged, or its format is not supported",
        "unauthorized": "a valid token is needed",
        "permission_denied": "this token lacks the permission admin",
        "master_token_required": "only the master token may do this",
        "vendor_header_required": "the Accept header must be Application/vnd.pkglatv1+json",
        "writable_root_not_allowed": "read_only: the configuration allows no writable root file system "
        "(docker.allow_writable_root)",
        "container_not_found": "no such container",
        "volume_not_found": "no such volume",
        "operation_not_found": "no such operation",
        "port_not_found": "Port not found in pool",
        "token_not_found": "no such token",
        "no_available_ports": "No available ports in pool",
        "file_not_found": '"config/server.properties" does not exist in the volume',
        "not_found": "no such volume",
        "already_exists": "container server-001 exists already",
        "operation_failed": "the image busybox:nope does not exist",
        "changing": "container server-001 is being reinstalled",
        "install_failed": "the installation of container server-001 failed: the image does not exist",
        "not_quarantined": "container server-001 is not in quarantine",
        "limits_refused": "limits: The container uses more memory than that",
        "port_exists": "Port already exists in pool",
        "port_in_use": "port 127.0.0.1:25565/tcp is held by container server-001",
        "volume_in_use": "a container uses this volume: delete the container first",
        "quota_below_usage": "The volume contains 5.05 MB, which is more than 2 MB",
        "file_exists": '"world.old" exists already',
        "wrong_kind": '"world" is a folder, not a file',
        "file_not_allowed": 'Access to "world/level.dat" is not allowed',
        "token_spent": "this single-use token has already been used: request a new one",
        "too_many_tokens": "there are 10,000 tokens already: revoke some, or wait until they expire",
        "precondition_failed": '"server.jar" does not match the precondition',
        "range_not_satisfiable": '"server.jar" has 1000 bytes, none of them in the requested range',
        "too_many_attempts": "too many wrong tokens came from this address, try again later",
        "too_many_requests": "this token has 100 requests in progress, which is the maximum",
        "volume_busy": "This volume has too many archives: 1 at once, and 2 more wait; try again later",
        "internal_error": "an internal error of lightd: please report it with the log line of this request",
        "engine_unavailable": "the container engine does not answer",
        "quarantined": "this container is in quarantine after repeated crashes of its actor; to revive it: POST /containers/:id/revive",
        "no_space": "The volume is full: 9.03 of 10 MB are used; delete files, or enlarge it",
        "journal_unavailable": "the journal cannot be written (the disk is full or broken), so nothing was done: free disk space, then try again",
        "malformed_request": "The request is not valid HTTP/1.1.",
        "malformed_target": "The request target must be a path or an http URL.",
        "malformed_host": "The Host header is not a host name.",
        "ambiguous_length": "The request says in two ways how long its body is.",
        "malformed_handshake": "The WebSocket handshake is not valid.",
        "websocket_mismatch": "this route takes WebSockets only, or the request is a WebSocket and the route takes none",
        "bad_request": "the request could not be read",
        "route_not_found": "no such route",
        "method_not_allowed": "this route does not take that method",
        "request_timeout": "the body did not arrive in time",
        "body_too_large": "the body is larger than this route takes",
        "headers_too_large": "The request headers are too large.",
        "not_implemented": "The request uses a transfer coding that is not supported.",
        "too_many_connections": "The server has as many connections as it can serve.",
        "http_version_not_supported": "Only HTTP/1.1 is spoken here.",
    }
)
