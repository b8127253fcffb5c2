"""The schemas of responses that several routes share, by their names in the document."""

from typing import Any, get_args

from actors.container.operations import Status
from actors.container.state import InstallState, PowerState
from lightd.api import bodies
from lightd.api.console_input import MOST_COMMANDS
from lightd.api.container_fields import ContainerBody
from lightd.api.events import PUBLIC
from lightd.config import schema as config_schema
from lightd.http.openapi.schemas import (
    FLAG,
    MOMENT,
    NUMBER,
    OF_FIELD,
    PROTOCOL,
    TEXT,
    WHOLE,
    described,
    many,
    record,
    ref,
    words,
)
from lightd.http.openapi.vocabulary import NAMED, VOLUME
from lightd.logs.redaction import mask
from lightd.validation.reading import fields_of
from lightd.validation.schema import Schema, nullable, shown, to_schema

QUOTA_KINDS = ("project", "btrfs", "accounted")
STATUS = words(*(status.value for status in Status))

PORT: dict[str, Schema] = {
    "ip": TEXT,
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "protocol": PROTOCOL,
}

MISSING = described(
    {"type": "object", "additionalProperties": TEXT},
    "the variables that must be filled in before a start, and what their rules demand",
    example={"EULA": "must be yes, on, 1 or true"},
)

COMMAND = described(
    to_schema(bodies.Text), "one line for the process; a newline at its end is ignored", example="say hello"
)

_BODY = {field.key: field.annotation for field in fields_of(ContainerBody)}

ROW: dict[str, Schema] = {
    "internal_id": TEXT,
    "container_id": nullable(described(TEXT, "Docker's id of the container; null while there is none")),
    "install_state": described(
        words(*get_args(InstallState)), "how far its installation is", example="ready"
    ),
    "state": described(words(*get_args(PowerState)), "the state of its process", example="running"),
    "image": nullable(
        described(
            TEXT,
            "the image of the container; null if its history cannot be read",
            example="ghcr.io/parkervcp/yolks:java_21",
        )
    ),
    "ports": described(
        many(ref("Binding")),
        "the ports that it holds",
    ),
    "quarantined": described(
        FLAG, "its actor crashed repeatedly; `revive` takes it out of quarantine", example=False
    ),
    **{name: shown(_BODY[name]) for name in ("labels", "display_name")},
    "volume_id": nullable(described(TEXT, "its volume; null if its history cannot be read")),
    "exit": nullable(
        record(
            {
                "code": nullable(
                    described(
                        {"type": "integer"},
                        "the exit code of its process; null if it is unknown",
                        unit="number",
                        example=0,
                    )
                ),
                "oom_killed": FLAG,
                "at": nullable(MOMENT),
                "crashed": described(FLAG, "whether the end was not requested", example=False),
            },
            means="how the last run ended; null if there was none",
        )
    ),
    "started_at": nullable(described(MOMENT, "when its process was started; null while there is none")),
    "created_at": nullable(MOMENT),
}
USAGE: dict[str, Schema] = {
    "cpu_usage": nullable(
        described(NUMBER, "null while it does not run", unit="percent of one core", example=12.5)
    ),
    "memory_usage": nullable(described(WHOLE, "null while it does not run", unit="bytes", example=419430400)),
}
"""Fields of a row that a token needs ``stats`` for."""

DETAILS: dict[str, Schema] = {
    **{name: shown(annotation) for name, annotation in _BODY.items() if name not in ROW},
    "error": nullable(
        described(
            TEXT,
            "why the last installation, start or change failed, or what a pending action waits for",
            example="the image busybox:nope does not exist",
        )
    ),
    "updated_at": nullable(MOMENT),
    "version": described(WHOLE, "the number of its events", unit="events", example=7),
}


_QUOTA_KIND = described(
    words(*QUOTA_KINDS),
    "how the size is enforced: by the kernel (`project`, `btrfs`) or by lightd (`accounted`)",
    example="project",
)
MEGABYTES = "MB of 1,048,576 bytes"


def _to_configuration() -> Schema:
    """Return the schema of the configuration as it is shown: every key is there, tokens are masked."""
    return _all_shown(config_schema.to_document()["properties"], "The running configuration.")


def _all_shown(properties: dict[str, Any], means: str) -> Schema:
    masked: dict[str, Schema] = {}
    for name, schema in properties.items():
        if name == "token":
            masked[name] = described(
                TEXT,
                f"{schema['description']}; masked except for its last four characters",
                example=mask("lightd_not-shown-saved"),
            )
        elif "properties" in schema:
            masked[name] = _all_shown(schema["properties"], schema["description"])
        else:
            masked[name] = schema
    return record(masked, means=means)


def _to_fields() -> str:
    """Return the fields of the events, by their type."""
    return "; ".join(
        f"`{row.type}` {', '.join(f'`{field.name}`' for field in row.fields)}"
        for row in PUBLIC.values()
        if row.fields
    )


EVENT_TYPES = [public.type for public in PUBLIC.values()]

FILE_OPERATION: dict[str, Schema] = {
    "operation_id": described(
        TEXT, NAMED["operation_id"].description, example="compress-2c26b46b68ffc68ff99b453c1d304134"
    ),
    "kind": words("compress", "decompress"),
    "volume_id": TEXT,
    "status": STATUS,
    "bytes": described(WHOLE, "how much has been processed", unit="bytes", example=1048576),
    "error": nullable(TEXT),
    "started_at": MOMENT,
    "finished_at": nullable(MOMENT),
}
SUCCEEDED: dict[str, Any] = {"status": "succeeded", "error": None}

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {
            "error": described(TEXT, "one sentence for people", example="no such container"),
            "code": described(TEXT, "a stable code for programs", example="container_not_found"),
        },
        {
            "message": described(
                TEXT, "with `operation_id`: what failed, for example `Container start failed`"
            ),
            "internal_id": TEXT,
            "operation_id": described(
                TEXT, "of an action that failed or was cancelled while the request waited"
            ),
            "status": words("failed", "cancelled"),
        },
        means="Every error has this form.",
    ),
    "InternalError": record(
        {
            "error": described(TEXT, "one sentence for people", example="internal error"),
            "code": words("internal_error"),
            "request_id": TEXT,
        },
        means="An internal error, without details.",
    ),
    "ContainerRow": record(ROW, USAGE, means="A container in the list."),
    "Container": record(
        ROW,
        DETAILS,
        means="A container in detail. If its history cannot be read, only the fields of a row are present.",
        example={**dict.fromkeys(DETAILS, OF_FIELD), "error": None, "exit": None},
    ),
    "Accepted": record(
        {"message": TEXT, "internal_id": TEXT, "operation_id": TEXT},
        {
            "status": described(
                words("succeeded", "pending"),
                "with `wait`: it succeeded, or the time was over",
                example="succeeded",
            ),
            "error": described(TEXT, "what a pending operation waits for; only if that is known"),
            "state": described(words("installing"), "the state of a new container"),
            "missing": MISSING,
        },
        means="An action was accepted. With `wait`: it succeeded, or is `pending` because the time was over; "
        "an action that failed is a 409.",
        example={"status": "succeeded"},
    ),
    "Event": record(
        {
            "seq": WHOLE,
            "type": described(words(*EVENT_TYPES), "what happened", example="became-ready"),
            "at": MOMENT,
            "data": described(
                {"type": "object"},
                f"the fields of its type, see docs/events.md: {_to_fields()}",
                example={"run": 3},
            ),
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
        {
            "run_script": described(
                FLAG, "of a reinstallation: whether it runs an install script", example=True
            )
        },
        means="The status of an action on a container.",
        example=SUCCEEDED,
    ),
    "FileOperation": record(
        FILE_OPERATION, means="The creation or extraction of an archive.", example=SUCCEEDED
    ),
    "Volume": record(
        {
            "volume_id": TEXT,
            "id": described(TEXT, "the same as `volume_id`", example=VOLUME),
            "created_at": MOMENT,
            "quota_mb": nullable(
                described(WHOLE, "its maximum size; null: unlimited", unit=MEGABYTES, example=1024)
            ),
            "quota_kind": _QUOTA_KIND,
        },
        {
            "path": described(
                TEXT,
                "its path on the host; only for tokens with `admin`",
                example=f"/var/lib/lightd/volumes/{VOLUME}",
            )
        },
        means="A folder with the files of a server.",
        example={"path": OF_FIELD},
    ),
    "Quota": record(
        {
            "size_mb": nullable(
                described(WHOLE, "its maximum size; null: unlimited", unit=MEGABYTES, example=1024)
            ),
            "used_mb": described(NUMBER, "its present size", unit=MEGABYTES, example=312.5),
            "available_mb": nullable(
                described(
                    NUMBER, "how much it can still grow; null: unlimited", unit=MEGABYTES, example=711.5
                )
            ),
            "percentage_used": nullable(
                described(NUMBER, "its present size; null: unlimited", unit="percent", example=30.52)
            ),
            "kind": _QUOTA_KIND,
            "entries_used": nullable(
                described(
                    WHOLE, "its files, folders and links; null: not counted yet", unit="entries", example=1840
                )
            ),
            "entries_limit": described(
                WHOLE, "how many of them it may have", unit="entries", example=1000000
            ),
        },
        means="The maximum and current size of a volume; without a maximum, only `used_mb` is set.",
    ),
    "File": record(
        {
            "name": TEXT,
            "type": described(words("file", "directory", "symlink", "other"), "what it is"),
            "size": described(WHOLE, "the size of its contents", unit="bytes", example=1240),
            "modified_at": described(
                {"type": "integer"}, "when its contents last changed", unit="Unix seconds", example=1767225600
            ),
            "mode": TEXT,
        },
        means="An entry of a folder.",
    ),
    "PortName": record(PORT, means="The name of a port."),
    "Port": record(
        {**PORT, "in_use": FLAG, "used_by": nullable(TEXT)},
        means="A port of the port pool.",
        example={"used_by": None},
    ),
    "PortRange": record(
        {
            "ip": to_schema(bodies.Ip),
            "from": described(PORT["port"], "the first port", unit="number", example=25570),
            "to": described(
                PORT["port"], "the last port, not less than `from`", unit="number", example=25579
            ),
        },
        {"protocol": nullable({**PROTOCOL, "default": "tcp"})},
        means="A range of ports.",
    ),
    "PortList": record(
        {"ports": described(many(ref("PortBody")), "the ports, each once")},
        means="A list of ports.",
    ),
    "OneCommand": record({"command": COMMAND}, means="One command."),
    "Commands": record(
        {
            "commands": described(
                {**many(COMMAND), "minItems": 1, "maxItems": MOST_COMMANDS},
                "several lines, which are sent in this order",
                example=["save-all", "say saved"],
            )
        },
        means="Several commands.",
    ),
    "Binding": record(
        {**PORT, "container_port": PORT["port"]},
        {"name": to_schema(bodies.VariableName)},
        means="A port that a container holds.",
    ),
    "Configuration": _to_configuration(),
}
