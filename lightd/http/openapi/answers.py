"""The schemas of responses that several routes share, by their names in the document."""

from typing import Any, get_args

from actors.container.operations import Status
from actors.container.state import InstallState, PowerState
from lightd.api.container_fields import ContainerBody
from lightd.api.events import PUBLIC
from lightd.config import schema as config_schema
from lightd.http.openapi.schemas import (
    FLAG,
    MOMENT,
    NUMBER,
    PROTOCOL,
    TEXT,
    WHOLE,
    described,
    many,
    record,
    words,
)
from lightd.validation.reading import fields_of
from lightd.validation.schema import Schema, nullable, shown

QUOTA_KINDS = ("project", "btrfs", "accounted")
STATUS = words(*(status.value for status in Status))

_PORT = {"ip": TEXT, "port": WHOLE, "protocol": PROTOCOL}

ROW: dict[str, Schema] = {
    "internal_id": TEXT,
    "container_id": nullable(described(TEXT, "Docker's id; null while there is no container")),
    "install_state": words(*get_args(InstallState)),
    "state": words(*get_args(PowerState)),
    "image": nullable(described(TEXT, "null if its history can't be read")),
    "ports": many(record({**_PORT, "container_port": WHOLE})),
    "quarantined": described(FLAG, "its actor crashed repeatedly; `revive` takes it out of quarantine"),
}

DETAILS: dict[str, Schema] = {
    **{field.key: shown(field.annotation) for field in fields_of(ContainerBody) if field.key not in ROW},
    "error": nullable(
        described(
            TEXT, "why the last installation, start or change failed, or what a pending action waits for"
        )
    ),
    "exit": nullable(
        record(
            {"code": nullable({"type": "integer"}), "oom_killed": FLAG, "at": nullable(MOMENT)},
            means="how the last run ended; `code` is null if it is unknown",
        )
    ),
    "started_at": nullable(MOMENT),
    "created_at": nullable(MOMENT),
    "updated_at": nullable(MOMENT),
    "version": described(WHOLE, "the number of its events"),
}


def _to_configuration() -> Schema:
    """Return the schema of the configuration as it is shown: every key is there, tokens are masked."""
    return _all_shown(config_schema.to_document()["properties"], "The running configuration.")


def _all_shown(properties: dict[str, Any], means: str) -> Schema:
    masked: dict[str, Schema] = {}
    for name, schema in properties.items():
        if name == "token":
            masked[name] = described(TEXT, "masked except for its last four characters")
        elif "properties" in schema:
            masked[name] = _all_shown(schema["properties"], schema["description"])
        else:
            masked[name] = schema
    return record(masked, means=means)


EVENT_TYPES = [public.type for public in PUBLIC.values()]

FILE_OPERATION: dict[str, Schema] = {
    "operation_id": TEXT,
    "kind": words("compress", "decompress"),
    "volume_id": TEXT,
    "status": STATUS,
    "bytes": described(WHOLE, "processed so far"),
    "error": nullable(TEXT),
    "started_at": MOMENT,
    "finished_at": nullable(MOMENT),
}

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {
            "error": described(TEXT, "one sentence for people"),
            "code": described(TEXT, "a stable code for programs"),
        },
        means="Every error has this form.",
    ),
    "InternalError": record(
        {"error": TEXT, "code": words("internal_error"), "request_id": described(TEXT, "the id in the log")},
        means="An internal error, without details.",
    ),
    "ContainerRow": record(ROW, means="A container in the list."),
    "Container": record(
        ROW,
        DETAILS,
        means="A container in detail. If its history can't be read, only the fields of a row are present.",
    ),
    "Accepted": record(
        {"message": TEXT, "internal_id": TEXT, "operation_id": TEXT},
        {"status": STATUS, "error": TEXT, "state": words("installing")},
        means="An action was accepted. With `wait`: its result, or `pending` if the time was over.",
    ),
    "Event": record(
        {
            "seq": described(WHOLE, "its position in the journal; a value for `since`"),
            "type": words(*EVENT_TYPES),
            "at": MOMENT,
            "data": {"type": "object", "description": "the fields of its type, see docs/events.md"},
            "operation_id": nullable(described(TEXT, "the operation that caused it, if any")),
        },
        means="An event of a container.",
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
        {"run_script": described(FLAG, "of a reinstallation: whether it runs an install script")},
        means="The status of an action on a container.",
    ),
    "FileOperation": record(FILE_OPERATION, means="The creation or extraction of an archive."),
    "Volume": record(
        {
            "volume_id": TEXT,
            "id": described(TEXT, "the same as `volume_id`"),
            "created_at": MOMENT,
            "quota_mb": nullable(described(WHOLE, "its maximum size; null: unlimited")),
            "quota_kind": words(*QUOTA_KINDS),
        },
        {"path": described(TEXT, "on the host; only for tokens with `admin`")},
        means="A folder with the files of a server.",
    ),
    "Quota": record(
        {
            "size_mb": nullable(WHOLE),
            "used_mb": NUMBER,
            "available_mb": nullable(NUMBER),
            "percentage_used": nullable(NUMBER),
            "kind": described(words(*QUOTA_KINDS), "how the size is enforced"),
            "entries_used": nullable(described(WHOLE, "files, folders and links; null: not counted yet")),
            "entries_limit": described(WHOLE, "how many of them it may have"),
        },
        means="The maximum and current size of a volume; without a maximum, only `used_mb` is set.",
    ),
    "File": record(
        {
            "name": TEXT,
            "type": words("file", "directory", "symlink", "other"),
            "size": described(WHOLE, "bytes"),
            "modified_at": {"type": "integer", "description": "Unix seconds"},
            "mode": described(TEXT, "octal, for example `0644`"),
        },
        means="An entry of a folder.",
    ),
    "PortName": record(_PORT, means="The name of a port."),
    "Port": record(
        {**_PORT, "in_use": FLAG, "used_by": nullable(described(TEXT, "the container that holds it"))},
        means="A port of the port pool.",
    ),
    "Configuration": _to_configuration(),
}
