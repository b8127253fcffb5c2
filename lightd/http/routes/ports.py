"""The routes of the port pool."""

import random
from typing import Any

from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.portpool.decider import Entry, State
from actors.portpool.messages import Add, Key, Mark, Message, Remove
from lightd.access.directory import to_key
from lightd.access.scopes import Port
from lightd.access.visibility import port_not_visible
from lightd.api import bodies
from lightd.api.commands import begin_operation
from lightd.api.errors import ApiError, bad_request
from lightd.audit.trail import about
from lightd.http import queries
from lightd.http.identity import of_request
from lightd.http.scopes import to_port
from lightd.http.wire import LISTS, read_body, refuse_body, to_json, to_list
from lightd.system import System


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of the port pool to ``app``."""
    routes = Blueprint("ports", __name__)

    async def ask(message: Message) -> None:
        await system.ports.ref.ask(message, begin_operation())

    @routes.post("/network/ports")
    async def add() -> Response:
        queries.check_names()
        body = await read_body(bodies.PortBody)
        key = (body.ip, body.port, body.protocol)
        about(f"{body.ip}/{body.port}")
        await ask(Add((key,)))
        return to_json({"message": "Port added to pool", **_to_name(key)})

    @routes.post("/network/ports/bulk")
    async def add_many() -> Response:
        queries.check_names()
        keys = _to_keys(await read_body(bodies.PortRangeBody, most=LISTS))
        await ask(Add(keys))
        return await to_list("added", map(_to_name, keys), count=len(keys))

    @routes.post("/network/ports/bulk-delete")
    async def delete_many() -> Response:
        queries.check_names()
        body = await read_body(bodies.PortListBody, most=LISTS)
        before = system.ports.state
        keys = tuple({to_key(before, Port(port.ip, port.port, port.protocol)): None for port in body.ports})
        receipt = await system.ports.ref.ask(Remove(keys, skip_held=True), begin_operation())
        removed = {key for record in receipt.recorded for key in record.event.keys}  # type: ignore[attr-defined]  # Remove leads to PortsRemoved only
        held = [_to_name(key) for key in keys if key in before.entries and key not in removed]
        count = len(removed)
        message = f"Deleted {count} port{'' if count == 1 else 's'} from pool"
        return to_json({"message": message, "deleted_count": count, "skipped": held})

    @routes.get("/network/ports")
    async def list_all() -> Response:
        queries.check_names()
        reached, entries = of_request().grant.containers, system.ports.state.entries.items()
        shown = (each for each in entries if reached is None or each[1].held_by in reached)
        return await to_list("ports", (_to_row(key, entry) for key, entry in shown))

    @routes.get("/network/ports/random")
    async def pick() -> Response:
        queries.check_names("protocol")
        protocol = queries.protocol() or "tcp"
        free = system.ports.state.free(protocol)
        if not free:
            raise ApiError("no_available_ports", "No available ports in pool")
        key = random.choice(free)  # noqa: S311 - which one is no secret
        return to_json(_to_row(key, system.ports.state.entries[key]))

    @routes.get("/network/ports/<ip>/<port>")
    async def show(ip: str, port: str) -> Response:
        queries.check_names("protocol")
        key, entry = find(system.ports.state, to_port(ip, port))
        return to_json(_to_row(key, entry))

    @routes.put("/network/ports/<ip>/<port>/use")
    async def use(ip: str, port: str) -> Response:
        queries.check_names("protocol")
        key, _ = find(system.ports.state, to_port(ip, port))
        body = await read_body(bodies.PortUseBody)
        await ask(Mark(key, body.in_use))
        return to_json({"message": "Port usage updated", **_to_name(key), "in_use": body.in_use})

    @routes.delete("/network/ports/<ip>/<port>")
    async def delete(ip: str, port: str) -> Response:
        queries.check_names("protocol")
        key, _ = find(system.ports.state, to_port(ip, port))
        await refuse_body()
        await ask(Remove((key,)))
        return to_json({"message": "Port deleted from pool"})

    app.register_blueprint(routes)


def find(state: State, port: Port) -> tuple[Key, Entry]:
    """Return the entry of the pool that ``port`` means, and its key; raises a 404."""
    key = to_key(state, port)
    entry = state.entries.get(key)
    if entry is None:
        raise port_not_visible()
    return key, entry


def _to_keys(body: bodies.PortRangeBody) -> tuple[Key, ...]:
    if body.ports is not None:
        if any(value is not None for value in (body.ip, body.first, body.last, body.protocol)):
            raise bad_request("ports: stands alone, without ip, from, to and protocol")
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


def _to_row(key: Key, entry: Entry) -> dict[str, Any]:
    return {**_to_name(key), "in_use": entry.in_use, "used_by": entry.held_by}
