"""The routes of the port pool."""

import random
from typing import Any

from quart import Response

from actors.portpool.decider import Entry, State
from actors.portpool.messages import Add, Key, Mark, Message, Remove
from lightd.access import scopes
from lightd.access.directory import to_key
from lightd.access.errors import port_not_visible
from lightd.access.scopes import Port
from lightd.api import bodies
from lightd.api.commands import begin_operation
from lightd.api.errors import ApiError, bad_request
from lightd.audit.trail import about
from lightd.http import queries
from lightd.http.error_codes import JSON, RECORDS
from lightd.http.identity import of_request
from lightd.http.listing import PAGE, to_answer, to_listing
from lightd.http.openapi.answers import PORT
from lightd.http.openapi.schemas import FLAG, TEXT, WHOLE, described, either, many, message, record, ref
from lightd.http.route import Body, Route, to_port
from lightd.http.wire import LISTS, loads, read, read_body, refuse_body, take_body, to_json, to_list
from lightd.system import System


async def ask(system: System, message: Message) -> None:
    await system.ports.ref.ask(message, begin_operation())


async def add(system: System) -> Response:
    body = await read_body(bodies.PortBody)
    key = (body.ip, body.port, body.protocol)
    about(f"{body.ip}/{body.port}")
    await ask(system, Add((key,)))
    return to_json({"message": "Port added to pool", **_to_name(key)})


async def add_many(system: System) -> Response:
    keys = await take_body(lambda raw: _to_keys(loads(raw)), most=LISTS)
    await ask(system, Add(keys))
    return await to_list("added", map(_to_name, keys), count=len(keys))


async def delete_many(system: System) -> Response:
    body = await read_body(bodies.PortListBody, most=LISTS)
    before = system.ports.state
    keys = tuple({to_key(before, Port(port.ip, port.port, port.protocol)): None for port in body.ports})
    receipt = await system.ports.ref.ask(Remove(keys, skip_held=True), begin_operation())
    removed = {key for record in receipt.recorded for key in record.event.keys}  # type: ignore[attr-defined]  # Remove leads to PortsRemoved only
    held = [_to_name(key) for key in keys if key in before.entries and key not in removed]
    count = len(removed)
    message = f"Deleted {count} port{'' if count == 1 else 's'} from pool"
    return to_json({"message": message, "deleted_count": count, "skipped": held})


async def list_all(system: System) -> Response:
    reached, entries = of_request().grant.containers, system.ports.state.entries.items()
    shown = [each for each in entries if reached is None or each[1].held_by in reached]
    return await to_listing("ports", shown, lambda each: _to_row(*each), lambda each: _to_cursor(each[0]))


async def pick(system: System) -> Response:
    protocol = queries.protocol() or "tcp"
    free = system.ports.state.free(protocol)
    if not free:
        raise ApiError("no_available_ports", "No available ports in pool")
    key = random.choice(free)  # noqa: S311 - which one is no secret
    return to_json(_to_row(key, system.ports.state.entries[key]))


async def show(system: System, ip: str, port: str) -> Response:
    key, entry = find(system.ports.state, to_port(ip, port))
    return to_json(_to_row(key, entry))


async def use(system: System, ip: str, port: str) -> Response:
    key, _ = find(system.ports.state, to_port(ip, port))
    body = await read_body(bodies.PortUseBody)
    await ask(system, Mark(key, body.in_use))
    return to_json({"message": "Port usage updated", **_to_name(key), "in_use": body.in_use})


async def delete(system: System, ip: str, port: str) -> Response:
    key, _ = find(system.ports.state, to_port(ip, port))
    await refuse_body()
    await ask(system, Remove((key,)))
    return to_json({"message": "Port deleted from pool"})


def find(state: State, port: Port) -> tuple[Key, Entry]:
    """Return the entry of the pool that ``port`` means, and its key; raises a 404."""
    key = to_key(state, port)
    entry = state.entries.get(key)
    if entry is None:
        raise port_not_visible()
    return key, entry


def _to_keys(value: object) -> tuple[Key, ...]:
    """Return the ports that a body means, a range or a list; raises a 400."""
    body = read(bodies.PortRangeBody, value)
    if isinstance(value, dict) and "ports" in value:
        if len(value) > 1:
            raise bad_request("ports: cannot be combined with ip, from, to and protocol")
        if body.ports is None:
            raise bad_request("ports: must be a list (got null)")
        keys = [(port.ip, port.port, port.protocol) for port in body.ports]
        if len(set(keys)) < len(keys):
            raise bad_request("ports: one is given twice")
        return tuple(keys)
    if body.ip is None:
        raise bad_request("ip: is missing")
    if body.first is None:
        raise bad_request("from: is missing")
    if body.last is None:
        raise bad_request("to: is missing")
    if body.last < body.first:
        raise bad_request("to: must not be less than from")
    protocol = body.protocol or "tcp"
    return tuple((body.ip, port, protocol) for port in range(body.first, body.last + 1))


def _to_name(key: Key) -> dict[str, Any]:
    return {"ip": key[0], "port": key[1], "protocol": key[2]}


def _to_cursor(key: Key) -> str:
    return f"{key[0]}/{key[1]:05}/{key[2]}"


def _to_row(key: Key, entry: Entry) -> dict[str, Any]:
    return {**_to_name(key), "in_use": entry.in_use, "used_by": entry.held_by}


_BULK = either(ref("PortRange"), ref("PortList"), means="A range or a list of ports.")

ROUTES = (
    Route(
        method="POST",
        path="/network/ports",
        permission="network",
        subject=scopes.Node,
        handler=add,
        name="add_port",
        summary="Add a port",
        curl="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25565,"protocol":"tcp"}'""",
        body=Body(bodies.PortBody),
        answer=record({"message": message("Port added to pool"), **PORT}),
        errors=(*JSON, *RECORDS, "port_exists"),
    ),
    Route(
        method="POST",
        path="/network/ports/bulk",
        permission="network",
        subject=scopes.Node,
        handler=add_many,
        name="add_ports",
        summary="Add several ports, all or none",
        curl="""call $url/network/ports/bulk -d '{"ip":"127.0.0.1","from":25570,"to":25579,"protocol":"udp"}'""",
        body=Body(bodies.PortRangeBody, schema=_BULK),
        answer=record(
            {
                "added": described(many(ref("PortName")), "the ports that were added"),
                "count": described(WHOLE, "how many they are", unit="ports", example=1),
            }
        ),
        errors=(*JSON, *RECORDS, "port_exists"),
    ),
    Route(
        method="GET",
        path="/network/ports",
        permission="network",
        subject=scopes.Visible,
        handler=list_all,
        name="list_ports",
        summary="List ports",
        text="All of them; with `limit` or `after` a page, sorted by address, number and protocol.",
        curl='call "$url/network/ports?limit=100"',
        parameters=PAGE,
        answer=to_answer("ports", ref("Port")),
    ),
    Route(
        method="GET",
        path="/network/ports/random",
        permission="network",
        subject=scopes.Visible,
        handler=pick,
        name="pick_port",
        summary="Find a free port",
        text="The port is not reserved: two requests can return the same one.",
        curl='call "$url/network/ports/random?protocol=udp"',
        parameters=("protocol_free",),
        answer=ref("Port"),
        errors=("no_available_ports",),
    ),
    Route(
        method="GET",
        path="/network/ports/{ip}/{port}",
        permission="network",
        subject=scopes.Port,
        handler=show,
        name="show_port",
        summary="Show a port",
        curl="call $url/network/ports/127.0.0.1/25565",
        parameters=("protocol",),
        answer=ref("Port"),
        errors=("port_not_found",),
    ),
    Route(
        method="PUT",
        path="/network/ports/{ip}/{port}/use",
        permission="network",
        subject=scopes.Node,
        handler=use,
        name="mark_port",
        summary="Mark a port as in use or free",
        curl="""call -X PUT $url/network/ports/127.0.0.1/25565/use -d '{"in_use":true}'""",
        parameters=("protocol",),
        body=Body(bodies.PortUseBody),
        answer=record({"message": message("Port usage updated"), **PORT, "in_use": FLAG}),
        errors=(*JSON, *RECORDS, "port_not_found", "port_in_use"),
    ),
    Route(
        method="DELETE",
        path="/network/ports/{ip}/{port}",
        permission="network",
        subject=scopes.Node,
        handler=delete,
        name="delete_port",
        summary="Remove a port from the pool",
        curl="call -X DELETE $url/network/ports/127.0.0.1/25565",
        parameters=("protocol",),
        answer=record({"message": message("Port deleted from pool")}),
        errors=(*JSON, *RECORDS, "port_not_found", "port_in_use"),
    ),
    Route(
        method="POST",
        path="/network/ports/bulk-delete",
        permission="network",
        subject=scopes.Node,
        handler=delete_many,
        name="delete_ports",
        summary="Remove several ports from the pool",
        text="Ports that a container holds are skipped and returned in `skipped`; unknown ports are ignored. "
        "Default for `protocol`: that of the only entry with this address and port, otherwise tcp.",
        curl="call $url/network/ports/bulk-delete "
        """-d '{"ports":[{"ip":"127.0.0.1","port":25570},{"ip":"127.0.0.1","port":25571}]}'""",
        body=Body(bodies.PortListBody),
        answer=record(
            {
                "message": described(TEXT, "what was done, for people", example="Deleted 2 ports from pool"),
                "deleted_count": described(WHOLE, "how many were removed", unit="ports", example=2),
                "skipped": many(ref("PortName")),
            }
        ),
        errors=(*JSON, *RECORDS),
    ),
)
