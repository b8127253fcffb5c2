"""The routes of the port pool."""

from lightd.api import bodies
from lightd.http.error_codes import JSON, RECORDS
from lightd.http.openapi.answers import PROTOCOL
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.schemas import (
    FLAG,
    TEXT,
    WHOLE,
    Schema,
    many,
    message,
    of_body,
    of_rule,
    record,
    ref,
    told,
)

_NAME: dict[str, Schema] = {"ip": TEXT, "port": WHOLE, "protocol": PROTOCOL}
_ONE = ("ip", "port", "protocol")
_NUMBER = of_rule(bodies.PortNumber)

_BULK: Schema = {
    "description": "A range or a list of ports.",
    "oneOf": [
        record(
            {"ip": of_rule(bodies.Ip), "from": _NUMBER, "to": told(_NUMBER, "not less than `from`")},
            {"protocol": {**PROTOCOL, "default": "tcp"}},
        ),
        record({"ports": told(many(of_body(bodies.PortBody)), "without duplicates")}),
    ],
}

PORTS = Section(
    "Ports",
    "The ports that containers can use. A port is leased to one container at a time. `0.0.0.0:p` and `127.0.0.1:p` "
    "can both be in the pool, but not both be leased.",
    (
        Entry(
            method="POST",
            path="/network/ports",
            name="add_port",
            summary="Add a port",
            curl="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25565,"protocol":"tcp"}'""",
            body=Body(bodies.PortBody),
            answer=record({"message": message("Port added to pool"), **_NAME}),
            faults=(*JSON, *RECORDS, "port_exists"),
        ),
        Entry(
            method="POST",
            path="/network/ports/bulk",
            name="add_ports",
            summary="Add several ports, all or none",
            curl="""call $url/network/ports/bulk -d '{"ip":"127.0.0.1","from":25570,"to":25579,"protocol":"udp"}'""",
            body=Body(bodies.PortRangeBody, schema=_BULK),
            answer=record({"added": many(ref("PortName")), "count": WHOLE}),
            faults=(*JSON, *RECORDS, "port_exists"),
        ),
        Entry(
            method="GET",
            path="/network/ports",
            name="list_ports",
            summary="List all ports",
            curl="call $url/network/ports",
            answer=record({"ports": many(ref("Port"))}),
        ),
        Entry(
            method="GET",
            path="/network/ports/random",
            name="pick_port",
            summary="Find a free port",
            text="The port is not reserved: two requests can return the same one.",
            curl='call "$url/network/ports/random?protocol=udp"',
            parameters=("protocol_free",),
            answer=ref("Port"),
            faults=("no_available_ports",),
        ),
        Entry(
            method="GET",
            path="/network/ports/{ip}/{port}",
            name="show_port",
            summary="Show a port",
            curl="call $url/network/ports/127.0.0.1/25565",
            parameters=_ONE,
            answer=ref("Port"),
            faults=("port_not_found",),
        ),
        Entry(
            method="PUT",
            path="/network/ports/{ip}/{port}/use",
            name="mark_port",
            summary="Mark a port as in use or free",
            curl="""call -X PUT $url/network/ports/127.0.0.1/25565/use -d '{"in_use":true}'""",
            parameters=_ONE,
            body=Body(bodies.PortUseBody),
            answer=record({"message": message("Port usage updated"), **_NAME, "in_use": FLAG}),
            faults=(*JSON, *RECORDS, "port_not_found", "port_in_use"),
        ),
        Entry(
            method="DELETE",
            path="/network/ports/{ip}/{port}",
            name="delete_port",
            summary="Remove a port from the pool",
            curl="call -X DELETE $url/network/ports/127.0.0.1/25565",
            parameters=_ONE,
            answer=record({"message": message("Port deleted from pool")}),
            faults=(*JSON, *RECORDS, "port_not_found", "port_in_use"),
        ),
        Entry(
            method="POST",
            path="/network/ports/bulk-delete",
            name="delete_ports",
            summary="Remove several ports from the pool",
            text="Ports that a container holds are skipped and returned in `skipped`; unknown ports are ignored. "
            "Default for `protocol`: that of the only entry with this address and port, otherwise tcp.",
            curl="call $url/network/ports/bulk-delete "
            """-d '{"ports":[{"ip":"127.0.0.1","port":25570},{"ip":"127.0.0.1","port":25571}]}'""",
            body=Body(bodies.PortListBody),
            answer=record({"message": TEXT, "deleted_count": WHOLE, "skipped": many(ref("PortName"))}),
            faults=(*JSON, *RECORDS),
        ),
    ),
)
