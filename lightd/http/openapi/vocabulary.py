"""What the fields of responses and frames mean, by their names: one row for each name.

``schemas.record`` adds the row to a field that does not say itself what it means. A name that means something
else in one place is described there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from lightd.validation.schema import Described

VOLUME: Final = "a3f1c2d4-0000-4000-8000-5e6f708192a3"
OPERATION: Final = "start-9f86d081884c7d659a2feaa0c55ad015"
AT: Final = 1767225600.25
LATER: Final = 1767225604.5


def _count(means: str, unit: str, example: float) -> Described:
    return Described(means, unit=unit, example=example)


def _moment(means: str, example: float = AT) -> Described:
    return Described(means, unit="Unix seconds", example=example)


def _text(means: str, example: str) -> Described:
    return Described(means, example=example)


NAMED: Final[Mapping[str, Described]] = MappingProxyType(
    {
        "applied": Described("what applies at once"),
        "at_next_start": Described("what applies from the next start"),
        "at": _moment("when it happened"),
        "code": _text("a stable code for programs", "container_not_found"),
        "columns": _count("the width of the terminal", "characters", 120),
        "container_id": _text(
            "Docker's id of the container", "4c01db0b339c7e5d0a2f6b8c9d1e3f405162738495a6b7c8d9e0f1a2b3c4d5e6"
        ),
        "container_port": _count("the port that the program listens on in the container", "number", 25565),
        "containers": Described("the containers that the token can see", example=["server-001"]),
        "count": _count("the number of entries", "entries", 2),
        "created_at": _moment("when it was created"),
        "destination": _text("the new path, relative to the volume", "world.old"),
        "enabled": Described("whether it is switched on", example=True),
        "error": _text("why it failed, in one sentence for people", "the image does not exist"),
        "event": _text("the kind of the frame", "console"),
        "files": Described("the entries of the folder"),
        "finished_at": _moment("when it ended; null while it runs", LATER),
        "id": _text("its id", "9f86d081884c7d659a2feaa0"),
        "in_use": Described("true: no container can lease it", example=False),
        "internal_id": _text("the container's id", "server-001"),
        "ip": _text("the IP address of the host that the port belongs to", "127.0.0.1"),
        "kind": _text("what is done", "start"),
        "length": _count("the size of the whole file", "bytes", 1000),
        "line": _count("the number of the line; lines are counted from 1", "number", 1041),
        "lines": Described("the lines, the oldest first"),
        "message": _text("what was done, for people", "Container start initiated"),
        "mode": _text("its permissions in octal", "0644"),
        "name": _text("its name", "server.properties"),
        "next": _count("the value for `since` that continues after these entries", "number", 4711),
        "offset": _count("the number of bytes that have been received", "bytes", 400),
        "oom_killed": Described("whether the kernel killed it for lack of memory", example=False),
        "operation_id": _text("the operation, for `GET /operations/{operation_id}`", OPERATION),
        "path": _text("the path, relative to the volume", "config/server.properties"),
        "paths": Described("the paths, relative to the volume", example=["logs"]),
        "permissions": Described("what the token may do", example=["console.read", "power"]),
        "port": _count("the port of the host", "number", 25565),
        "ports": Described("the ports"),
        "protocol": _text("the transport protocol", "tcp"),
        "reason": _text("why", "the panel's configuration has a mistake"),
        "remove_on_use": Described("whether it can be used only once", example=False),
        "request_id": _text("the id of the request, also in the log", "5f1c7d0e9b2a4c36"),
        "rows": _count("the height of the terminal", "lines", 40),
        "seq": _count("the position in the journal; a value for `since`", "number", 4711),
        "size": _count("the size", "bytes", 1000),
        "skipped": Described("those that a container holds; they were not removed", example=[]),
        "source": _text("the path before, relative to the volume", "world"),
        "started_at": _moment("when it began"),
        "state": _text("the state of the container", "running"),
        "status": _text("how far the operation is", "succeeded"),
        "text": _text("the text of the line", "[12:00:00] Done (4.2s)!"),
        "updated_at": _moment("when it last changed", LATER),
        "upload": _text("the name of the upload", "b1"),
        "used_by": _text("the container that holds it", "server-001"),
        "version": _text("the version of lightd", "0.1.0"),
        "volume_id": _text("the volume's id", VOLUME),
    }
)
