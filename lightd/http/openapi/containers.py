"""The routes of containers."""

from lightd.http import bodies
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.faults import ACTS, CHANGES, CONTAINER, JSON, RECORDS
from lightd.http.openapi.schemas import TEXT, WHOLE, Schema, many, message, record, ref, told, words

_ID = ("internal_id",)
_WAITING = (*_ID, "wait")
_EDITABLE = words("startup_command", "start_pattern", "environment", "stop", "restart_policy", "limits")


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
    "A server or another program, in a container of its own. What touches Docker is asynchronous: with `wait` the "
    "call returns when the action ended. A power action states a wish: one that is true already changes nothing, "
    "a later one replaces an earlier one. A container in quarantine answers 503 until it is revived.",
    (
        Entry(
            method="POST",
            path="/containers",
            name="create_container",
            summary="Make a container",
            text="Its ports are leased and its installation begins: the image is made sure of, the install script "
            "run, the container created. `container_port` is `port` unless said, `stop` sends SIGTERM and waits 10 "
            "seconds. `user` is the configuration's unless said.",
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
                *(*JSON, *RECORDS, "mount_not_allowed", "volume_not_found", "already_exists", "changing"),
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
            summary="All containers",
            curl="call $url/containers",
            answer=record({"containers": many(ref("ContainerRow"))}),
        ),
        Entry(
            method="GET",
            path="/containers/{internal_id}",
            name="show_container",
            summary="One container",
            curl="call $url/containers/server-001",
            parameters=_ID,
            answer=ref("Container"),
            faults=CONTAINER,
        ),
        _power(
            "start",
            "Start it",
            "It is `starting` until its pattern was seen on the console, then `running`; without a pattern at once.",
        ),
        _power("restart", "Stop it and start it again"),
        _power(
            "stop",
            "Stop it in its own way",
            "The command or the signal is sent; when its timeout is over it is killed. "
            "It cancels an installation, a start and a change too.",
        ),
        _power("kill", "End it at once"),
        Entry(
            method="GET",
            path="/containers/{internal_id}/events",
            name="list_events",
            summary="Its history",
            curl='call "$url/containers/server-001/events?since=0&limit=100"',
            parameters=(*_ID, "since", "limit"),
            answer=record({"events": many(ref("Event")), "next": told(WHOLE, "what `since` takes next")}),
            faults=CONTAINER,
        ),
        Entry(
            method="GET",
            path="/containers/{internal_id}/logs",
            name="show_logs",
            summary="The end of its console",
            text="Kept across restarts and recreation.",
            curl='call "$url/containers/server-001/logs?lines=100"',
            parameters=(*_ID, "lines"),
            answer=record({"lines": many(record({"line": WHOLE, "text": TEXT}))}),
            faults=CONTAINER,
        ),
        Entry(
            method="POST",
            path="/containers/{internal_id}/revive",
            name="revive_container",
            summary="Take it back into service",
            text="One that is not in quarantine is a 409.",
            curl="call -X POST $url/containers/server-001/revive",
            parameters=_ID,
            answer=record({"message": message("Container revived"), "internal_id": TEXT}),
            faults=(*CONTAINER, *JSON, "not_quarantined"),
        ),
        Entry(
            method="PATCH",
            path="/containers/{internal_id}",
            name="edit_container",
            summary="Have it be something else",
            text="What is given is replaced as a whole. `stop`, `restart_policy` and `limits` hold at once, the rest "
            "from the next start on; the answer says which. A limit can be taken away only at the next start.",
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
            faults=(*CHANGES, *JSON, "limits_refused"),
        ),
        Entry(
            method="POST",
            path="/containers/{internal_id}/reinstall",
            name="reinstall_container",
            summary="Install it anew",
            text="In a new container from the image; the volume's data stays, and so does what isn't given. "
            "A failure leaves the old container usable.",
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
            summary="Give it other ports",
            text="These and no others; every other setting is kept. It runs again where it ran.",
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
            summary="What became of something that was asked for",
            text="Of a container or of a volume's files.",
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
            summary="Delete it",
            text="Stopped in its own way, removed from Docker, its ports given back; the volume stays. The answer comes "
            "when it is gone, after at most a minute, or `wait` seconds.",
            curl="call -X DELETE $url/containers/server-001",
            parameters=_WAITING,
            answer=_DELETED,
            faults=(*ACTS, *JSON, "changing", "engine_unavailable"),
        ),
    ),
)
