"""The shapes of answers that several routes give, under the names that they have in the document."""

from typing import Any

from actors.container.operations import Status
from lightd import config_schema
from lightd.http.openapi.schemas import (
    FLAG,
    MOMENT,
    NUMBER,
    TEXT,
    WHOLE,
    Schema,
    many,
    nullable,
    record,
    told,
    words,
)
from lightd.journal.codec import KINDS

QUOTA_KINDS = ("project", "btrfs", "accounted")
PROTOCOL = words("tcp", "udp")
STATUS = words(*(status.value for status in Status))

_PORT = {"ip": TEXT, "port": WHOLE, "protocol": PROTOCOL}

ROW: dict[str, Schema] = {
    "internal_id": TEXT,
    "container_id": nullable(told(TEXT, "Docker's; null while there is none")),
    "install_state": words("installing", "ready", "failed"),
    "state": words("offline", "starting", "running", "stopping"),
    "image": nullable(told(TEXT, "null where its history can't be read")),
    "ports": many(record({**_PORT, "container_port": WHOLE})),
    "quarantined": told(FLAG, "its actor crashed again and again; `revive` takes it back into service"),
}

DETAILS: dict[str, Schema] = {
    "volume_id": TEXT,
    "startup_command": TEXT,
    "start_pattern": nullable(TEXT),
    "limits": record(
        {
            "memory": nullable(told(WHOLE, "bytes")),
            "cpu": nullable(told(NUMBER, "cores")),
            "pids": nullable(WHOLE),
        }
    ),
    "mount": {"type": "object", "additionalProperties": TEXT},
    "install_script": nullable(TEXT),
    "environment": {"type": "object", "additionalProperties": TEXT},
    "user": TEXT,
    "tty": FLAG,
    "stop": record({"type": words("signal", "command"), "value": TEXT, "timeout": NUMBER}),
    "restart_policy": record({"mode": words("never", "on-crash", "always"), "max": WHOLE, "within": NUMBER}),
    "error": nullable(told(TEXT, "why the last installation, start or change failed")),
    "exit": nullable(
        record(
            {"code": nullable({"type": "integer"}), "oom_killed": FLAG, "at": nullable(MOMENT)},
            means="how the last run ended; `code` is null where nobody can tell",
        )
    ),
    "started_at": nullable(MOMENT),
    "created_at": nullable(MOMENT),
    "updated_at": nullable(MOMENT),
    "version": told(WHOLE, "how many events its history has"),
}


def _to_configuration() -> Schema:
    """Return the schema of the configuration as it is shown: every key is there, tokens are masked."""
    return _all_shown(config_schema.to_document()["properties"], "The running configuration.")


def _all_shown(properties: dict[str, Any], means: str) -> Schema:
    shown: dict[str, Schema] = {}
    for name, schema in properties.items():
        if name == "token":
            shown[name] = told(TEXT, "masked to its last four characters")
        elif "properties" in schema:
            shown[name] = _all_shown(schema["properties"], schema["description"])
        else:
            shown[name] = schema
    return record(shown, means=means)


EVENT_TYPES = [kind.name.removeprefix("container.") for kind in KINDS if kind.name.startswith("container.")]

FILE_OPERATION: dict[str, Schema] = {
    "operation_id": TEXT,
    "kind": words("compress", "decompress"),
    "volume_id": TEXT,
    "status": STATUS,
    "bytes": told(WHOLE, "worked through so far"),
    "error": nullable(TEXT),
    "started_at": MOMENT,
    "finished_at": nullable(MOMENT),
}

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {"error": told(TEXT, "one sentence for a person"), "code": told(TEXT, "a stable slug")},
        means="Every error, those of the server included.",
    ),
    "InternalError": record(
        {"error": TEXT, "code": words("internal_error"), "request_id": told(TEXT, "as in the log")},
        means="A bug: nothing of the inside is told.",
    ),
    "ContainerRow": record(ROW, means="A container in the list."),
    "Container": record(
        ROW,
        DETAILS,
        means="All that is known of a container. One whose history can't be read has no more than a row.",
    ),
    "Accepted": record(
        {"message": TEXT, "internal_id": TEXT, "operation_id": TEXT},
        {"status": STATUS, "error": TEXT, "state": words("installing")},
        means="An action was accepted; with `wait`, how it ended, or `pending` when the time was up.",
    ),
    "Event": record(
        {
            "seq": told(WHOLE, "its position in the journal; what `since` takes"),
            "type": words(*EVENT_TYPES),
            "at": MOMENT,
            "data": {"type": "object", "description": "the fields of its type: see docs/events.md"},
            "operation_id": nullable(told(TEXT, "of what led to it, where somebody asked for it")),
        },
        means="One thing that happened to a container.",
    ),
    "Operation": record(
        {
            "operation_id": TEXT,
            "kind": TEXT,
            "internal_id": TEXT,
            "status": STATUS,
            "error": nullable(TEXT),
            "started_at": MOMENT,
            "finished_at": nullable(MOMENT),
        },
        means="What became of something that was asked of a container.",
    ),
    "FileOperation": record(FILE_OPERATION, means="An archive that is made or unpacked."),
    "Volume": record(
        {
            "volume_id": TEXT,
            "id": told(TEXT, "the same"),
            "created_at": MOMENT,
            "quota_mb": nullable(told(WHOLE, "its size; null: no ceiling")),
            "quota_kind": words(*QUOTA_KINDS),
        },
        {"path": told(TEXT, "on the host; for those who have `admin`")},
        means="A folder of files that containers work in.",
    ),
    "Quota": record(
        {
            "size_mb": nullable(WHOLE),
            "used_mb": NUMBER,
            "available_mb": nullable(NUMBER),
            "percentage_used": nullable(NUMBER),
            "kind": told(words(*QUOTA_KINDS), "who keeps the volume to its size"),
        },
        means="How much a volume may hold and does; without a size only what it holds is known.",
    ),
    "File": record(
        {
            "name": TEXT,
            "type": words("file", "directory", "symlink", "other"),
            "size": told(WHOLE, "bytes"),
            "modified_at": {"type": "integer", "description": "Unix seconds"},
            "mode": told(TEXT, "octal, as `0644`"),
        },
        means="An entry of a folder.",
    ),
    "PortName": record(_PORT, means="Which port."),
    "Port": record(
        {**_PORT, "in_use": FLAG, "used_by": nullable(told(TEXT, "the container that holds it"))},
        means="A port of the pool.",
    ),
    "Configuration": _to_configuration(),
}
