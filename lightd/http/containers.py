"""The routes of containers."""

from collections.abc import Awaitable, Callable, Collection

import trio
from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.container import messages as told
from actors.container.fleet import Member, stream_of
from actors.container.state import Phase, State
from actors.kernel.journal import Recorded
from actors.kernel.mailbox import ActorGone
from lightd.http import queries
from lightd.http.bodies import ContainerBody
from lightd.http.errors import ApiError, engine_unavailable, not_found
from lightd.http.shown import to_details, to_event, to_row
from lightd.http.specs import to_spec
from lightd.http.wire import read_body, refuse_body, to_json
from lightd.system import System, new_operation_id

SETTLED = frozenset({Phase.OFFLINE, Phase.RUNNING, Phase.FAILED, Phase.DELETED, Phase.ABSENT})
DELETE_WAIT = 60.0

POWER: dict[str, Callable[[], told.Command]] = {
    "start": told.Start,
    "stop": told.Stop,
    "kill": told.Kill,
    "restart": told.Restart,
}


_UP = frozenset({Phase.RUNNING})
_DOWN = frozenset({Phase.OFFLINE, Phase.FAILED})  # a stop or a kill cancels an installation
GOALS = {"start": _UP, "stop": _DOWN, "kill": _DOWN, "restart": _UP}


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of containers to ``app``."""
    routes = Blueprint("containers", __name__)

    @routes.post("/containers")
    async def create() -> Response:
        queries.check_names("wait")
        wait = queries.seconds("wait")
        spec = await to_spec(await read_body(ContainerBody), system.config.docker)
        check_engine(system)
        if spec.volume_id not in system.volumes.view.state.volumes:
            raise not_found("volume")
        operation_id = new_operation_id()
        await system.create_container(spec, operation_id)
        message = "Container creation started"
        answer = {"message": message, "internal_id": spec.internal_id, "state": "installing"}
        member = find(system, spec.internal_id)
        status = await _wait(system, member, wait, frozenset({Phase.OFFLINE}))
        return to_json({**answer, "operation_id": operation_id, **status})

    @routes.get("/containers")
    async def list_all() -> Response:
        queries.check_names()
        return to_json({"containers": [to_row(member) for member in system.fleet]})

    @routes.get("/containers/<internal_id>")
    async def show(internal_id: str) -> Response:
        queries.check_names()
        return to_json(to_details(find(system, internal_id)))

    @routes.delete("/containers/<internal_id>")
    async def delete(internal_id: str) -> Response:
        queries.check_names("wait")
        wait = queries.seconds("wait")
        await refuse_body()
        member = find(system, internal_id)
        check_engine(system)
        operation_id = new_operation_id()
        await _ask(system, member, told.Delete(), operation_id)
        with trio.move_on_after(DELETE_WAIT if wait is None else wait):
            await member.wait_until(lambda view: view.state.phase is Phase.DELETED)
            await system.ports.wait_followed()
            return to_json({"message": "Container deleted successfully", "operation_id": operation_id})
        message = "Container deletion started"
        return to_json({"message": message, "operation_id": operation_id, "status": "pending"})

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
        if not member.place.revive():
            raise ApiError(409, "not_quarantined", f"container {internal_id} is not in quarantine")
        return to_json({"message": "Container revived", "internal_id": internal_id})

    @routes.get("/containers/<internal_id>/events")
    async def events(internal_id: str) -> Response:
        queries.check_names("since", "limit")
        since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, 1000)
        find(system, internal_id)
        found = await _read_events(system, internal_id, since, limit)
        return to_json({"events": [to_event(record) for record in found], "next": _next(found, since)})

    app.register_blueprint(routes)


def find(system: System, internal_id: str) -> Member:
    """Return the container; raises a 400 for what can't be an id, a 404 where there is none."""
    member = system.fleet.get(queries.internal_id(internal_id))
    if member is None:
        raise not_found("container")
    return member


def check_engine(system: System) -> None:
    """Raise a 503 while the container engine does not answer."""
    if not system.fleet.engine_up.value:
        raise engine_unavailable()


async def ask_power(system: System, member: Member, action: str) -> str:
    """Have a power action decided; return its operation id. Raises as ``Ref.ask``, and a 503."""
    check_engine(system)
    operation_id = new_operation_id()
    await _ask(system, member, POWER[action](), operation_id)
    return operation_id


async def _ask(system: System, member: Member, command: told.Command, operation_id: str) -> None:
    try:
        await member.place.ref.ask(command, operation_id)
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
        operation_id = await ask_power(system, member, action)
        answer = {"message": f"Container {action} initiated", "internal_id": internal_id}
        status = await _wait(system, member, wait, GOALS[action])
        return to_json({**answer, "operation_id": operation_id, **status})

    return power


async def _wait(
    system: System, member: Member, seconds: float | None, goal: Collection[Phase]
) -> dict[str, str]:
    """Return how what was asked for ended, once it did; that it is pending when ``seconds`` are over.

    It succeeded where the container came to rest in ``goal``. Ports that were given up are free by then.
    """
    if seconds is None:
        return {}
    with trio.move_on_after(seconds):
        view = await member.wait_until(lambda view: view.state.phase in SETTLED)
        await system.ports.wait_followed()
        if view.state.phase in goal:
            return {"status": "succeeded"}
        return {"status": "failed", "error": _to_reason(view.state)}
    return {"status": "pending"}


def _to_reason(state: State) -> str:
    if state.error is not None:
        return state.error
    if state.exit is not None:
        return f"the process ended with exit code {state.exit.code}"
    return f"the container is {state.phase.value}"


async def _read_events(system: System, internal_id: str, since: int, limit: int) -> list[Recorded]:
    """Return the records of a container with a position over ``since``, at most ``limit``."""
    found: list[Recorded] = []
    version = 0
    while len(found) < limit:
        page = await system.bus.history(stream_of(internal_id), version)
        if not page:
            break
        version = page[-1].version
        found.extend(record for record in page if record.position > since)
    return found[:limit]


def _next(found: list[Recorded], since: int) -> int:
    return found[-1].position if found else since
