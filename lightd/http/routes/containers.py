"""The routes of containers."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import trio
from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.container import messages
from actors.container.fleet import Member, stream_of
from actors.kernel.journal import Recorded
from actors.kernel.mailbox import ActorGone, Receipt
from actors.tokens.grant import Grant
from lightd.access import rates
from lightd.access.visibility import sees
from lightd.api.bodies import ContainerBody
from lightd.api.commands import begin_operation
from lightd.api.errors import ApiError, not_found
from lightd.api.events import to_history_entry
from lightd.api.representations import to_details, to_row
from lightd.api.specs import to_spec
from lightd.audit.trail import about
from lightd.http import queries
from lightd.http.errors import engine_unavailable
from lightd.http.identity import of_request
from lightd.http.volume_users import with_user
from lightd.http.wire import WHOLE, from_text, read_body, refuse_body, to_json, to_list, to_text
from lightd.system import System

DELETE_WAIT = 60.0

POWER: dict[str, Callable[[], messages.Command]] = {
    "start": messages.Start,
    "stop": messages.Stop,
    "kill": messages.Kill,
    "restart": messages.Restart,
}


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of containers to ``app``."""
    routes = Blueprint("containers", __name__)

    @routes.post("/containers")
    async def create() -> Response:
        queries.check_names("wait")
        wait = queries.seconds("wait")
        spec = await to_spec(await read_body(ContainerBody, most=WHOLE), system.config.docker)
        about(spec.internal_id)
        check_engine(system)
        if spec.volume_id not in system.volumes.view.state.volumes:
            raise not_found("volume")
        spec = await with_user(system, spec)
        operation_id = begin_operation("install")
        receipt = await system.create_container(spec, operation_id)
        message = "Container creation started"
        answer = {"message": message, "internal_id": spec.internal_id, "state": "installing"}
        member = find(system, spec.internal_id)
        return to_json({**answer, **await to_outcome(system, member, operation_id, receipt, wait)})

    @routes.get("/containers")
    async def list_all() -> Response:
        queries.check_names()
        reaches = of_request().grant.reaches
        members = [each for each in system.fleet if reaches(each.internal_id)]
        return await to_list("containers", map(to_row, members))

    @routes.get("/containers/<internal_id>")
    async def show(internal_id: str) -> Response:
        queries.check_names()
        return to_json(to_details(find(system, internal_id), of_request().grant))

    @routes.delete("/containers/<internal_id>")
    async def delete(internal_id: str) -> Response:
        queries.check_names("wait")
        wait = queries.seconds("wait")
        await refuse_body()
        member = find(system, internal_id)
        check_engine(system)
        operation_id = begin_operation("delete")
        receipt = await ask(system, member, messages.Delete(), operation_id)
        seconds = DELETE_WAIT if wait is None else wait
        outcome = await to_outcome(system, member, operation_id, receipt, seconds)
        if outcome.pop("status") == "succeeded":
            return to_json({"message": "Container deleted successfully", **outcome})
        return to_json({"message": "Container deletion started", **outcome, "status": "pending"})

    for action in POWER:
        routes.add_url_rule(
            f"/containers/<internal_id>/{action}",
            endpoint=f"{action}",
            view_func=_to_power_view(system, action),
            methods=["POST"],
        )

    @routes.post("/containers/<internal_id>/revive")
    async def revive(internal_id: str) -> Response:
        queries.check_names()
        await refuse_body()
        member = find(system, internal_id)
        system.rates.spend(rates.CHANGING, internal_id, of_request())
        if not member.handle.revive():
            raise ApiError("not_quarantined", f"container {internal_id} is not in quarantine")
        return to_json({"message": "Container revived", "internal_id": internal_id})

    @routes.get("/containers/<internal_id>/events")
    async def events(internal_id: str) -> Response:
        queries.check_names("since", "limit")
        since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, 1000)
        member, grant = find(system, internal_id), of_request().grant
        if grant.containers is not None:  # what had this id before may have been somebody else's
            since = max(since, member.state.ended)
        stream, printed = stream_of(internal_id), grant.allows("console.read")
        found = await system.bus.since(stream, since, limit, printed=printed)
        return from_text(await trio.to_thread.run_sync(_to_events, found, since, grant))

    app.register_blueprint(routes)


def find(system: System, internal_id: str) -> Member:
    """Return the container; raises a 400 for what can't be an id, a 404 where there is none.

    There is none for a token with containers either where this one was made anew since the token was minted:
    a request may have been let in before, and its body have come later.
    """
    member = system.fleet.get(queries.internal_id(internal_id))
    if member is None or not sees(of_request(), member):
        raise not_found("container")
    return member


def check_engine(system: System) -> None:
    """Raise a 503 while the container engine does not answer."""
    if not system.fleet.engine_up.value:
        raise engine_unavailable()


async def ask_power(system: System, member: Member, action: str) -> tuple[str, Receipt]:
    """Have a power action decided; return its operation id and receipt.

    Raises as ``Ref.ask``, a 429 where it is done too often, and a 503.
    """
    system.rates.spend(rates.POWER[action], member.internal_id, of_request())
    check_engine(system)
    operation_id = begin_operation(action)
    return operation_id, await ask(system, member, POWER[action](), operation_id)


async def ask(system: System, member: Member, command: messages.Command, operation_id: str) -> Receipt:
    """Have ``command`` decided; raises as ``Ref.ask``, and a 404 for a container that went meanwhile."""
    with deleted_meanwhile(system, member):
        return await member.handle.ref.ask(command, operation_id)


@contextmanager
def deleted_meanwhile(system: System, member: Member) -> Iterator[None]:
    """Have an actor that is gone because its container is be a 404."""
    try:
        yield
    except ActorGone:
        if system.fleet.get(member.internal_id) is not member:
            raise not_found("container") from None  # it was deleted before its turn came
        raise


def _to_power_view(system: System, action: str) -> Callable[[str], Awaitable[Response]]:
    async def power(internal_id: str) -> Response:
        queries.check_names("wait")
        wait = queries.seconds("wait")
        await refuse_body()
        member = find(system, internal_id)
        operation_id, receipt = await ask_power(system, member, action)
        answer = {"message": f"Container {action} initiated", "internal_id": internal_id}
        return to_json({**answer, **await to_outcome(system, member, operation_id, receipt, wait)})

    return power


async def to_outcome(
    system: System, member: Member, operation_id: str, receipt: Receipt, seconds: float | None
) -> dict[str, Any]:
    """Return the operation's id and, where ``seconds`` are given, how it ended within them.

    Ports that were given up are free by then.
    """
    operation = system.operations.begin(operation_id, member, receipt)
    if seconds is None:
        return {"operation_id": operation_id}
    with trio.move_on_after(seconds):
        operation = await system.operations.wait(operation, member, receipt)
        await system.ports.wait_followed()
    outcome = {"operation_id": operation_id, "status": operation.status.value}
    return outcome if operation.error is None else {**outcome, "error": operation.error}


def _to_events(found: Sequence[Recorded], since: int, grant: Grant) -> str:
    """Return a page of a container's history, in a worker thread: it may have a MiB of environments."""
    shown = [to_history_entry(record, grant) for record in found]
    return to_text({"events": shown, "next": found[-1].position if found else since})
