"""The routes of containers."""

from lightd.api import bodies
from lightd.http.error_codes import ACTS, CHANGES, CONTAINER, JSON, RECORDS
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.schemas import TEXT, WHOLE, Schema, many, message, record, ref, told, words

_ID = ("internal_id",)
_WAITING = (*_ID, "wait")
_EDITABLE = words(
    "startup_command", "start_pattern", "environment", "stop", "restart_policy", "limits", "read_only"
)


def _power(action: str, summary: str, text: str = "") -> Entry:
    return Entry(
        method="POST",
        path=f"/containers/{{internal_id}}/{action}",
        name=f"{action}_container",
        summary=summary,
        text=text,
        curl=f'call -X POST "$url/containers/server-001/{action}?wait=60"',
        parameters=_WAITING,
        answer=ref("Accepted"),
        faults=(*CHANGES, *JSON),
    )


_DELETED: Schema = {
    "oneOf": [
        record({"message": message("Container deleted successfully"), "operation_id": TEXT}),
        record(
            {
                "message": message("Container deletion started"),
                "operation_id": TEXT,
                "status": message("pending"),
            },
            {"error": TEXT},
        ),
    ]
}

CONTAINERS = Section(
    "Containers",
    "A game server or another program, each in its own container. Actions on Docker are asynchronous: with `wait` the "
    "call returns when the action has finished. Start, stop, restart and kill set the wanted state: if it is already "
    "reached, nothing changes, and a later one replaces an earlier one. A container in quarantine answers 503 until it "
    "is revived.",
    (
        Entry(
            method="POST",
            path="/containers",
            name="create_container",
            summary="Create a container",
            text="Leases its ports and starts its installation: the image is pulled if it is missing, the install script is "
            "run, the container is created. Defaults: `container_port` is `port`; `stop` sends SIGTERM and waits 10 "
            "seconds; `user` is `docker.user` of the configuration.",
            before="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25600}'""",
            curl="""call "$url/containers?wait=60" -d '{
  "internal_id": "server-001", "image": "'${IMAGE:-busybox:stable}'", "volume_id": "'$volume'",
  "startup_command": "echo Ready; while read -r line; do echo \\"got: $line\\"; done", "start_pattern": "Ready",
  "ports": [{"ip": "127.0.0.1", "port": 25600}], "limits": {"memory": 134217728, "cpu": 1, "pids": 64},
  "environment": {"MODE": "easy"}}'""",
            parameters=("wait",),
            body=Body(bodies.ContainerBody),
            answer=ref("Accepted"),
            faults=(
                *(*JSON, *RECORDS, "mount_not_allowed", "writable_root_not_allowed", "volume_not_found"),
                *("already_exists", "no_free_user", "changing"),
                *(
                    "port_not_found",
                    "port_in_use",
                    "engine_unavailable",
                    "container_not_found",
                    "quarantined",
                ),
            ),
        ),
        Entry(
            method="GET",
            path="/containers",
            name="list_containers",
            summary="List all containers",
            curl="call $url/containers",
            answer=record({"containers": many(ref("ContainerRow"))}),
        ),
        Entry(
            method="GET",
            path="/containers/{internal_id}",
            name="show_container",
            summary="Show a container",
            curl="call $url/containers/server-001",
            parameters=_ID,
            answer=ref("Container"),
            faults=CONTAINER,
        ),
        _power(
            "start",
            "Start a container",
            "It is `starting` until its start pattern appears on the console, then `running`; without a pattern, it is "
            "`running` immediately.",
        ),
        _power("restart", "Stop a container and start it again"),
        _power(
            "stop",
            "Stop a container",
            "Sends the command or signal of its `stop` setting, and kills it after the timeout. "
            "Also cancels an installation, a start or a change.",
        ),
        _power("kill", "Kill a container"),
        Entry(
            method="GET",
            path="/containers/{internal_id}/events",
            name="list_events",
            summary="List the events of a container",
            curl='call "$url/containers/server-001/events?since=0&limit=100"',
            parameters=(*_ID, "since", "limit"),
            answer=record({"events": many(ref("Event")), "next": told(WHOLE, "the next value for `since`")}),
            faults=CONTAINER,
        ),
        Entry(
            method="GET",
            path="/containers/{internal_id}/logs",
            name="show_logs",
            summary="Show the last lines of a console",
            text="Lines are kept when lightd is restarted and when the container is created again.",
            curl='call "$url/containers/server-001/logs?lines=100"',
            parameters=(*_ID, "lines"),
            answer=record({"lines": many(record({"line": WHOLE, "text": TEXT}))}),
            faults=CONTAINER,
        ),
        Entry(
            method="POST",
            path="/containers/{internal_id}/revive",
            name="revive_container",
            summary="Take a container out of quarantine",
            text="409 if it is not in quarantine.",
            curl="call -X POST $url/containers/server-001/revive",
            parameters=_ID,
            answer=record({"message": message("Container revived"), "internal_id": TEXT}),
            faults=(*CONTAINER, *JSON, "not_quarantined", "too_often"),
        ),
        Entry(
            method="PATCH",
            path="/containers/{internal_id}",
            name="edit_container",
            summary="Update settings",
            text="Each given field is replaced as a whole. `stop`, `restart_policy` and `limits` apply immediately, the other "
            "fields from the next start; the response says which. Removing a limit takes effect at the next start.",
            curl="call -X PATCH $url/containers/server-001 "
            """-d '{"limits":{"memory":268435456,"cpu":2,"pids":64},"environment":{"MODE":"hard"}}'""",
            parameters=_ID,
            body=Body(bodies.EditBody, required=False, nulls=frozenset({"start_pattern"})),
            answer=record(
                {
                    "message": message("Container updated"),
                    "applied": many(_EDITABLE),
                    "at_next_start": many(_EDITABLE),
                }
            ),
            faults=(*CHANGES, *JSON, "limits_refused", "writable_root_not_allowed"),
        ),
        Entry(
            method="POST",
            path="/containers/{internal_id}/reinstall",
            name="reinstall_container",
            summary="Reinstall a container",
            text="Creates a new container from the image; the volume's data and all fields that are not given are kept. "
            "After a failure the old container can still be used.",
            curl="""call "$url/containers/server-001/reinstall?wait=60" -d '{"install_script":"echo new\\n"}'""",
            parameters=_WAITING,
            body=Body(bodies.ReinstallBody, required=False, nulls=frozenset()),
            answer=ref("Accepted"),
            faults=(*CHANGES, *JSON, "port_not_found", "port_in_use"),
        ),
        Entry(
            method="POST",
            path="/containers/{internal_id}/rebind-network",
            name="rebind_container",
            summary="Change the ports of a container",
            text="Replaces all its ports; other settings are kept. If it was running, it is started again.",
            before="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25601}'""",
            curl='call "$url/containers/server-001/rebind-network?wait=60" '
            """-d '{"ports":[{"ip":"127.0.0.1","port":25601,"container_port":25600}]}'""",
            parameters=_WAITING,
            body=Body(bodies.RebindBody, nulls=frozenset()),
            answer=ref("Accepted"),
            faults=(*CHANGES, *JSON, "port_not_found", "port_in_use"),
        ),
        Entry(
            method="GET",
            path="/operations/{operation_id}",
            name="show_operation",
            summary="Show an operation",
            text="The status of an action on a container or on a volume's files.",
            before="operation=$(call -X POST $url/containers/server-001/start | "
            'sed \'s/.*"operation_id":"\\([^"]*\\)".*/\\1/\')',
            curl="call $url/operations/$operation",
            parameters=("operation_id",),
            answer={"oneOf": [ref("Operation"), ref("FileOperation")]},
            faults=("operation_not_found",),
        ),
        Entry(
            method="DELETE",
            path="/containers/{internal_id}",
            name="delete_container",
            summary="Delete a container",
            text="Stops it, removes it from Docker and releases its ports; the volume is kept. The response is sent "
            "when it is deleted, or after one minute or `wait` seconds.",
            curl="call -X DELETE $url/containers/server-001",
            parameters=_WAITING,
            answer=_DELETED,
            faults=(*ACTS, *JSON, "changing", "engine_unavailable"),
        ),
    ),
)
