"""The routes that reinstall, rebind and edit a container, and the one that shows an operation.

That one finds the operations of volumes too, by the same ids.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import trio
from quart import Response

from actors.container import messages
from actors.container.editing import needs_new_container
from actors.container.fleet import Member
from actors.container.operations import Operation, Status
from actors.container.spec import Limits
from actors.kernel.decider import Rejection
from lightd.access import rates, scopes
from lightd.api.commands import begin_operation
from lightd.api.container_fields import (
    AT_NEXT_START,
    CLEARABLE,
    EDITABLE,
    EditBody,
    RebindBody,
    ReinstallBody,
    to_bindings,
    to_installer,
)
from lightd.api.errors import ApiError, bad_request, not_found
from lightd.api.specs import check_images, to_edit
from lightd.files.jobs import Job
from lightd.http import queries
from lightd.http.error_codes import CHANGES, ENDED, JSON
from lightd.http.identity import of_request
from lightd.http.openapi.schemas import either, many, message, record, ref, words
from lightd.http.route import Body, Route
from lightd.http.routes.containers import (
    ask,
    check_engine,
    deleted_meanwhile,
    find,
    to_accepted,
    to_outcome,
    to_response,
)
from lightd.http.wire import LARGE, loads, read, take_body, to_json
from lightd.system import System

APPLYING = 10.0
"""Seconds that an edit waits for the engine to apply new limits."""


async def reinstall(system: System, internal_id: str) -> Response:
    wait = queries.seconds("wait")
    body = await take_body(lambda raw: read(ReinstallBody, _to_object(raw)), most=LARGE)
    if body.install is not None and body.install_script is not None:
        raise bad_request("install: must not be given together with install_script")
    check_images(system.config.docker, install=body.install is not None, entrypoint=None)
    install = None if body.install is None else to_installer(body.install)
    command = messages.Reinstall(body.image, body.install_script, body.run_script, body.pull, install)
    return await _change(system, internal_id, command, "reinstall", "Container reinstall started", wait)


async def rebind(system: System, internal_id: str) -> Response:
    wait = queries.seconds("wait")
    body = await take_body(lambda raw: read(RebindBody, _to_object(raw)))
    command = messages.Rebind(to_bindings(body.ports))
    return await _change(system, internal_id, command, "rebind", "Network rebinding started", wait)


async def edit(system: System, internal_id: str) -> Response:
    body = await take_body(lambda raw: read(EditBody, _to_object(raw, *CLEARABLE)))
    command = to_edit(body, system.config.docker)
    member = find(system, internal_id)
    system.rates.spend(rates.CHANGING, internal_id, of_request())
    before = member.state.spec
    if command.entrypoint == "shell" and not (command.startup_command or (before and before.startup_command)):
        raise bad_request("startup_command: is missing")
    if command.limits is not None:
        await _limit(system, member, command.limits)
    rest = attrs.evolve(command, limits=None)
    if rest != messages.Edit():
        await ask(system, member, rest, begin_operation("edit"))
    given = [name for name in EDITABLE if getattr(command, name) is not None]
    later = [name for name in given if name in AT_NEXT_START]
    if before is not None and command.limits and needs_new_container(before.limits, command.limits):
        later.append("limits")
    applied = [name for name in given if name not in later]
    return to_json({"message": "Container updated", "applied": applied, "at_next_start": later})


async def show(system: System, operation_id: str) -> Response:
    found = await system.directory.find_operation(operation_id)
    if found is None:
        raise not_found("operation")
    return to_json(found.to_shown() if isinstance(found, Job) else to_operation(found))


def _to_object(raw: bytes, *nullable: str) -> object:
    """Return the object in the body, empty without a body; a null is a 400, or "" for ``nullable`` fields."""
    value = loads(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        return value
    for name in value:
        if value[name] is None and name not in nullable:
            raise bad_request(f"{name[:80]}: must not be null")
    return {name: "" if content is None else content for name, content in value.items()}


async def _change(
    system: System,
    internal_id: str,
    command: messages.Reinstall | messages.Rebind,
    kind: str,
    message: str,
    wait: float | None,
) -> Response:
    member = find(system, internal_id)
    system.rates.spend(rates.CHANGING, internal_id, of_request())
    await check_engine(system)
    operation_id = begin_operation(kind)
    with deleted_meanwhile(system, member), _others_unnamed():
        receipt = await system.change_container(member, command, operation_id)
    return to_response(message, internal_id, await to_outcome(system, member, operation_id, receipt, wait))


@contextmanager
def _others_unnamed() -> Iterator[None]:
    """Leave the name of the container that holds a port out of errors for tokens for some containers."""
    try:
        yield
    except Rejection as refusal:
        if refusal.code == "port_in_use" and of_request().grant.containers is not None:
            raise Rejection("port_in_use", "one of these ports is in use") from None
        raise


async def _limit(system: System, member: Member, limits: Limits) -> None:
    """Apply ``limits`` to the running process, or raise; nothing else has been changed yet."""
    if member.state.engine_id is not None:
        await check_engine(system)
    operation_id = begin_operation("limits")
    await ask(system, member, messages.Edit(limits=limits), operation_id)
    with trio.move_on_after(APPLYING) as patience:
        await member.wait_until(lambda view: view.state.limits_before is None)
    if patience.cancelled_caught:
        message = "the container engine does not answer; the limits are applied once it does"
        raise ApiError("engine_unavailable", message)
    operation = await system.operations.find(operation_id)
    if operation is not None and operation.status is Status.FAILED:
        raise ApiError("limits_refused", f"limits: {operation.error}")


def to_operation(operation: Operation) -> dict[str, Any]:
    """Return an operation as a client sees it."""
    shown = {
        "operation_id": operation.operation_id,
        "kind": operation.kind,
        "internal_id": operation.internal_id,
        "status": operation.status.value,
        "error": operation.error,
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
    }
    return shown if operation.run_script is None else {**shown, "run_script": operation.run_script}


_EDITABLE = words(*EDITABLE)

ROUTES = (
    Route(
        method="PATCH",
        path="/containers/{internal_id}",
        permission="admin",
        subject=scopes.Container,
        handler=edit,
        name="edit_container",
        summary="Update settings",
        text="Each given field is replaced as a whole. `stop`, `restart_policy`, `limits`, `pull`, `labels` and `display_name` apply immediately, the "
        "other fields from the next start; the response says which. Removing a limit takes effect at the next start. "
        "With a new `image`, the next start creates the container from it, without the install script and with the "
        "volume's data unchanged; with `pull` `always`, also if `image` is the present name.",
        curl="call -X PATCH $url/containers/server-001 "
        """-d '{"limits":{"memory":268435456,"cpu":2,"pids":64},"environment":{"MODE":"hard"}}'""",
        body=Body(EditBody, required=False, nulls=CLEARABLE),
        answer=record(
            {
                "message": message("Container updated"),
                "applied": many(_EDITABLE),
                "at_next_start": many(_EDITABLE),
            },
            example={"applied": ["limits"], "at_next_start": ["environment"]},
        ),
        errors=(*CHANGES, *JSON, "limits_refused", "writable_root_not_allowed"),
    ),
    Route(
        method="POST",
        path="/containers/{internal_id}/reinstall",
        permission="admin",
        subject=scopes.Container,
        handler=reinstall,
        name="reinstall_container",
        summary="Reinstall a container",
        text="Creates a new container from the image; the volume's data and all fields that are not given are kept. "
        "With `run_script` false, the install script is not run. After a failure the old container can still be used.",
        curl="""call "$url/containers/server-001/reinstall?wait=60" -d '{"install_script":"echo new\\n"}'""",
        parameters=("wait",),
        body=Body(ReinstallBody, required=False, nulls=frozenset()),
        answer=ref("Accepted"),
        example=to_accepted("Container reinstall started", "reinstall"),
        errors=(*CHANGES, *JSON, *ENDED, "port_not_found", "port_in_use"),
    ),
    Route(
        method="POST",
        path="/containers/{internal_id}/rebind-network",
        permission="network",
        subject=scopes.Container,
        handler=rebind,
        name="rebind_container",
        summary="Change the ports of a container",
        text="Replaces all its ports; other settings are kept. If it was running, it is started again.",
        before="""call $url/network/ports -d '{"ip":"127.0.0.1","port":25601}'""",
        curl='call "$url/containers/server-001/rebind-network?wait=60" '
        """-d '{"ports":[{"ip":"127.0.0.1","port":25601,"container_port":25600}]}'""",
        parameters=("wait",),
        body=Body(RebindBody, nulls=frozenset()),
        answer=ref("Accepted"),
        example=to_accepted("Network rebinding started", "rebind"),
        errors=(*CHANGES, *JSON, *ENDED, "port_not_found", "port_in_use"),
    ),
    Route(
        method="GET",
        path="/operations/{operation_id}",
        permission=scopes.TOKEN,
        subject=scopes.Operation,
        handler=show,
        name="show_operation",
        summary="Show an operation",
        text="The status of an action on a container or on a volume's files.",
        before="operation=$(call -X POST $url/containers/server-001/start | "
        'sed \'s/.*"operation_id":"\\([^"]*\\)".*/\\1/\')',
        curl="call $url/operations/$operation",
        answer=either(ref("Operation"), ref("FileOperation")),
        errors=("operation_not_found",),
    ),
)
