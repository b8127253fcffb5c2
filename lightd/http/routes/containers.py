"""The routes of containers."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import trio
from quart import Response

from actors.container import messages
from actors.container.fleet import Member, stream_of
from actors.kernel.decider import Rejection
from actors.kernel.journal import Recorded
from actors.kernel.mailbox import ActorGone, Receipt
from actors.tokens.grant import Grant
from lightd.access import rates, scopes
from lightd.access.visibility import sees
from lightd.adoption import adopt_container
from lightd.api.commands import begin_operation
from lightd.api.container_fields import AdoptContainerBody, ContainerBody
from lightd.api.egg_bodies import EggRequest, NewContainerBody, to_egg_request
from lightd.api.errors import ApiError, not_found
from lightd.api.events import to_history_entry
from lightd.api.representations import to_details, to_row
from lightd.api.specs import to_spec
from lightd.audit.trail import about
from lightd.eggs.store import Stored
from lightd.http import queries
from lightd.http.error_codes import ACTS, CHANGES, CONTAINER, ENDED, JSON, RECORDS, STATUSES
from lightd.http.errors import engine_unavailable
from lightd.http.identity import of_request
from lightd.http.listing import FILTERS, PAGE, to_answer, to_filter, to_listing
from lightd.http.openapi.schemas import TEXT, WHOLE, described, either, many, message, record, ref
from lightd.http.openapi.vocabulary import OPERATION
from lightd.http.route import Body, Route
from lightd.http.volume_users import with_user
from lightd.http.wire import (
    LARGE,
    from_text,
    loads,
    read,
    read_body,
    refuse_body,
    take_body,
    to_json,
    to_text,
)
from lightd.journal.inventory import Inventory
from lightd.preparation import to_sentence
from lightd.system import System

if TYPE_CHECKING:
    from lightd.api.egg_containers import FromEgg

DELETE_WAIT = 60.0

POWER: dict[str, Callable[[], messages.Command]] = {
    "start": messages.Start,
    "stop": messages.Stop,
    "kill": messages.Kill,
    "restart": messages.Restart,
}


async def create(system: System) -> Response:
    wait = queries.seconds("wait")
    body, missing = await _read_new(system)
    spec = await to_spec(body, system.config.docker)
    about(spec.internal_id)
    await check_engine(system)
    if spec.volume_id not in system.volumes.view.state.volumes:
        raise not_found("volume")
    spec = await with_user(system, spec)
    operation_id = begin_operation("install")
    receipt = await system.create_container(spec, operation_id)
    member = find(system, spec.internal_id)
    outcome = await to_outcome(system, member, operation_id, receipt, wait)
    rest = {} if missing is None else {"missing": missing}
    message = "Container creation started"
    return to_response(message, spec.internal_id, outcome, state="installing", **rest)


async def _read_new(system: System) -> tuple[ContainerBody, Mapping[str, str] | None]:
    """Return the body of a new container, and of one from an egg what must be filled in; raises a 400."""

    def take(raw: bytes) -> ContainerBody | EggRequest:
        plain = loads(raw)
        if not isinstance(plain, dict) or plain.get("egg") is None:
            return read(ContainerBody, plain)
        return to_egg_request(read(NewContainerBody, plain), plain)

    found = await take_body(take, most=LARGE)
    if isinstance(found, ContainerBody):
        return found, None
    stored = await system.eggs.read(found.egg_id, found.version)
    made = await system.eggs.run(partial(_to_made, found, stored, images=system.config.docker.kind.isolated))
    return made.body, made.missing


def _to_made(asked: EggRequest, stored: Stored, *, images: bool) -> "FromEgg":
    """Return the container that is asked for; raises a 400. Called in a thread."""
    from lightd.api import egg_containers  # noqa: PLC0415 - it loads what parses eggs

    return egg_containers.to_body(asked, stored, images=images)


async def adopt(system: System) -> Response:
    body = await read_body(AdoptContainerBody)
    await check_engine(system)
    operation_id = begin_operation("adopt")
    internal_id, _ = await adopt_container(system, to_inventory(system), body.container_id, operation_id)
    about(internal_id)
    return to_json({"message": "Container adopted", "internal_id": internal_id})


def to_inventory(system: System) -> Inventory:
    """Return the inventory; raises a 409 if there is none."""
    if system.inventory is None:
        raise ApiError("not_adoptable", "this daemon keeps no inventory of containers (the log says why)")
    return system.inventory


async def list_all(system: System) -> Response:
    grant, matches = of_request().grant, to_filter()
    members = [each for each in system.fleet if grant.reaches(each.internal_id) and matches(each)]
    return await to_listing("containers", members, partial(to_row, grant=grant), attrgetter("internal_id"))


async def show(system: System, internal_id: str) -> Response:
    return to_json(to_details(find(system, internal_id), of_request().grant))


async def delete(system: System, internal_id: str) -> Response:
    wait = queries.seconds("wait")
    await refuse_body()
    member = find(system, internal_id)
    await check_engine(system)
    operation_id = begin_operation("delete")
    receipt = await ask(system, member, messages.Delete(), operation_id)
    seconds = DELETE_WAIT if wait is None else wait
    outcome = await to_outcome(system, member, operation_id, receipt, seconds)
    if outcome.pop("status") == "succeeded":
        return to_json({"message": "Container deleted successfully", **outcome})
    return to_json({"message": "Container deletion started", **outcome, "status": "pending"})


async def revive(system: System, internal_id: str) -> Response:
    await refuse_body()
    member = find(system, internal_id)
    system.rates.spend(rates.CHANGING, internal_id, of_request())
    if not member.handle.revive():
        raise ApiError("not_quarantined", f"container {internal_id} is not in quarantine")
    return to_json({"message": "Container revived", "internal_id": internal_id})


async def events(system: System, internal_id: str) -> Response:
    since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, 1000)
    member, grant = find(system, internal_id), of_request().grant
    if grant.containers is not None:  # a deleted container with this id may have been somebody else's
        since = max(since, member.state.ended)
    stream, printed = stream_of(internal_id), grant.allows("console.read")
    found = await system.bus.since(stream, since, limit, printed=printed)
    return from_text(await trio.to_thread.run_sync(_to_events, found, since, grant))


def find(system: System, internal_id: str) -> Member:
    """Return the container; raises a 400 for a malformed id, and a 404 if there is none.

    The 404 is also for a token whose container was deleted and created again since it was minted: that can
    happen while the body of an authenticated request is still arriving.
    """
    member = system.fleet.get(queries.internal_id(internal_id))
    if member is None or not sees(of_request(), member):
        raise not_found("container")
    return member


async def check_engine(system: System) -> None:
    """Raise a 503 if the container engine does not answer, now or within a few seconds."""
    if not await system.fleet.reach_engine():
        raise engine_unavailable()


async def ask_power(system: System, member: Member, action: str) -> tuple[str, Receipt]:
    """Send a power action to the container's actor; return its operation id and receipt.

    Raises as ``Ref.ask``, and ``LimitExceeded``; a 503 if the engine does not answer.
    """
    system.rates.spend(rates.POWER[action], member.internal_id, of_request())
    await check_engine(system)
    await _check_variables(system, member, action)
    operation_id = begin_operation(action)
    return operation_id, await ask(system, member, POWER[action](), operation_id)


async def _check_variables(system: System, member: Member, action: str) -> None:
    """Raise a 409 if the action would start the process and its variables violate their rules."""
    spec, up = member.state.spec, member.state.traits.up
    if spec is not None and (action == "restart" or (action == "start" and not up)):
        missing: list[str] = []
        with suppress(Rejection):  # the egg cannot be read: the start fails with the reason
            missing = await system.preparation.find_missing(spec)
        if missing:
            raise ApiError("variables_missing", to_sentence(missing))


async def ask(system: System, member: Member, command: messages.Command, operation_id: str) -> Receipt:
    """Send ``command`` to the actor; raises as ``Ref.ask``, and a 404 if the container was deleted meanwhile."""
    with deleted_meanwhile(system, member):
        return await member.handle.ref.ask(command, operation_id)


@contextmanager
def deleted_meanwhile(system: System, member: Member) -> Iterator[None]:
    """Raise a 404 instead of ``ActorGone`` if the container was deleted meanwhile."""
    try:
        yield
    except ActorGone:
        if system.fleet.get(member.internal_id) is not member:
            raise not_found("container") from None  # it was deleted before its command was handled
        raise


def _to_power_handler(action: str) -> Callable[[System, str], Awaitable[Response]]:
    async def power(system: System, internal_id: str) -> Response:
        wait = queries.seconds("wait")
        await refuse_body()
        member = find(system, internal_id)
        operation_id, receipt = await ask_power(system, member, action)
        outcome = await to_outcome(system, member, operation_id, receipt, wait)
        return to_response(f"Container {action} initiated", internal_id, outcome)

    return power


async def to_outcome(
    system: System, member: Member, operation_id: str, receipt: Receipt, seconds: float | None
) -> dict[str, Any]:
    """Return the operation's id and, if ``seconds`` are given, its status after at most that time.

    Ports that it released are free by then.
    """
    operation = system.operations.begin(operation_id, member, receipt)
    if seconds is None:
        return {"operation_id": operation_id}
    with trio.move_on_after(seconds):
        operation = await system.operations.wait(operation, member, receipt)
        await system.ports.wait_followed()
    outcome = {"operation_id": operation_id, "status": operation.status.value}
    return outcome if operation.error is None else {**outcome, "error": operation.error}


_UNSUCCESSFUL = {"failed": "operation_failed", "cancelled": "cancelled"}


def to_response(message: str, internal_id: str, outcome: dict[str, Any], **rest: object) -> Response:
    """Return the response to an action with this outcome: ``message`` and ``rest`` if it did not fail yet.

    The last word of ``message`` says that it has begun. One that failed or was cancelled while the client
    waited is a 409 with the reason.
    """
    status = outcome.get("status", "")
    code = _UNSUCCESSFUL.get(status)
    if code is None:
        return to_json({"message": message, "internal_id": internal_id, **rest, **outcome})
    message = f"{message.rpartition(' ')[0]} {status}"
    said = {"error": f"it was {status} without a reason", "code": code}
    return to_json({**said, "message": message, "internal_id": internal_id, **outcome}, STATUSES[code])


def _to_events(found: Sequence[Recorded], since: int, grant: Grant) -> str:
    """Return a page of a container's events as JSON. Called in a thread: environments can be large."""
    shown = [to_history_entry(record, grant) for record in found]
    return to_text({"events": shown, "next": found[-1].position if found else since})


def to_accepted(message: str, kind: str) -> dict[str, str]:
    """Return what the example of an action's response has of its own."""
    return {"message": message, "operation_id": f"{kind}-{OPERATION.rpartition('-')[2]}"}


def _power(action: str, summary: str, text: str = "") -> Route:
    return Route(
        method="POST",
        path=f"/containers/{{internal_id}}/{action}",
        permission="power",
        subject=scopes.Container,
        handler=_to_power_handler(action),
        name=f"{action}_container",
        summary=summary,
        text=text,
        curl=f'call -X POST "$url/containers/server-001/{action}?wait=60"',
        parameters=("wait",),
        answer=ref("Accepted"),
        example=to_accepted(f"Container {action} initiated", action),
        errors=(*CHANGES, *JSON, *ENDED, *(("variables_missing",) if action in ("start", "restart") else ())),
    )


_DELETED = either(
    record({"message": message("Container deleted successfully"), "operation_id": TEXT}),
    record(
        {
            "message": message("Container deletion started"),
            "operation_id": TEXT,
            "status": message("pending"),
        },
        {"error": TEXT},
    ),
)

ROUTES = (
    Route(
        method="POST",
        path="/containers",
        permission="admin",
        subject=scopes.Node,
        handler=create,
        name="create_container",
        summary="Create a container",
        text="Leases its ports and starts its installation: the image is pulled as `pull` says (default: if it is missing), the install script is "
        "run, the container is created. With `egg`, the egg sets the fields that are not given; `missing` in the "
        "response names the variables that must be filled in before a start. Defaults: `container_port` is `port`; `stop` sends SIGTERM and waits 10 "
        "seconds; `user` is `docker.user` of the configuration.",
        before="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25600}'""",
        curl="""call "$url/containers?wait=60" -d '{
  "internal_id": "server-001", "image": "'${IMAGE:-busybox:stable}'", "volume_id": "'$volume'",
  "startup_command": "echo Ready; while read -r line; do echo \\"got: $line\\"; done", "start_pattern": "Ready",
  "ports": [{"ip": "127.0.0.1", "port": 25600}], "limits": {"memory": 134217728, "cpu": 1, "pids": 64},
  "environment": {"MODE": "easy"}}'""",
        parameters=("wait",),
        body=Body(NewContainerBody),
        answer=ref("Accepted"),
        example={**to_accepted("Container creation started", "install"), "state": "installing"},
        errors=(
            *(*JSON, *RECORDS, "mount_not_allowed", "writable_root_not_allowed", "volume_not_found"),
            *("already_exists", "no_free_user", "changing", "egg_not_found", "egg_damaged"),
            *("port_not_found", "port_in_use", "engine_unavailable", "container_not_found", "quarantined"),
            *ENDED,
        ),
    ),
    Route(
        method="POST",
        path="/orphans/containers/adopt",
        permission="admin",
        subject=scopes.Node,
        handler=adopt,
        name="adopt_container",
        summary="Adopt a container of a lost journal",
        text="Takes over a container that the daemon created before its journal was lost, as it is, with its volume "
        "and its ports; `container_id` is Docker's, in full. A running process is not affected. `lightd orphans` lists "
        "such containers.",
        curl="call $url/orphans/containers/adopt "
        """-d '{"container_id":"4c01db0b339c7e5d0a2f6b8c9d1e3f405162738495a6b7c8d9e0f1a2b3c4d5e6"}'""",
        body=Body(AdoptContainerBody),
        answer=record({"message": message("Container adopted"), "internal_id": TEXT}),
        errors=(
            *(*JSON, *RECORDS, "not_adoptable", "already_exists", "changing", "port_in_use", "quarantined"),
            *("volume_not_found", "volume_not_mounted", "file_not_found", "engine_unavailable"),
        ),
    ),
    Route(
        method="GET",
        path="/containers",
        permission=scopes.TOKEN,
        subject=scopes.Visible,
        handler=list_all,
        name="list_containers",
        summary="List containers",
        text="All of them, the oldest first, or those with some labels and in some states. With `limit` or `after`: a "
        "page, sorted by `internal_id`.",
        curl='call "$url/containers?state=running&limit=100"',
        parameters=(*FILTERS, *PAGE),
        answer=to_answer("containers", ref("ContainerRow")),
    ),
    Route(
        method="GET",
        path="/containers/{internal_id}",
        permission=scopes.TOKEN,
        subject=scopes.Container,
        handler=show,
        name="show_container",
        summary="Show a container",
        curl="call $url/containers/server-001",
        answer=ref("Container"),
        errors=CONTAINER,
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
    Route(
        method="GET",
        path="/containers/{internal_id}/events",
        permission=scopes.TOKEN,
        subject=scopes.Container,
        handler=events,
        name="list_events",
        summary="List the events of a container",
        curl='call "$url/containers/server-001/events?since=0&limit=100"',
        parameters=("since", "limit"),
        answer=record(
            {"events": described(many(ref("Event")), "the events, the oldest first"), "next": WHOLE}
        ),
        errors=CONTAINER,
    ),
    Route(
        method="POST",
        path="/containers/{internal_id}/revive",
        permission="admin",
        subject=scopes.Container,
        handler=revive,
        name="revive_container",
        summary="Take a container out of quarantine",
        text="409 if it is not in quarantine.",
        curl="call -X POST $url/containers/server-001/revive",
        answer=record({"message": message("Container revived"), "internal_id": TEXT}),
        errors=(*CONTAINER, *JSON, "not_quarantined", "too_often"),
    ),
    Route(
        method="DELETE",
        path="/containers/{internal_id}",
        permission="admin",
        subject=scopes.Container,
        handler=delete,
        name="delete_container",
        summary="Delete a container",
        text="Stops it, removes it from Docker and releases its ports; the volume is kept. The response is sent "
        "when it is deleted, or after one minute or `wait` seconds.",
        curl="call -X DELETE $url/containers/server-001",
        parameters=("wait",),
        answer=_DELETED,
        errors=(*ACTS, *JSON, "changing", "engine_unavailable"),
    ),
)
