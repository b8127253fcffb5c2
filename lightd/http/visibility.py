"""What of the node is there for a token: its containers, and their volumes, ports and operations.

For a token that isn't for some containers all of it is, and nothing here looks at anything. To another, what
lies outside is what isn't there: the same answer, whether it is there or not.
"""

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from lightd.access.identity import Identity
from lightd.api.errors import not_found
from lightd.files.jobs import Job
from lightd.http import queries, scopes
from lightd.http.routes import ports
from lightd.http.routes.changes import find_operation
from lightd.http.scopes import Subject
from lightd.system import System


async def check(system: System, identity: Identity, route: str, arguments: Mapping[str, Any]) -> None:
    """Raise a 403 where ``route`` needs what ``identity`` lacks, a 404 where it is about what is outside.

    Raises a 400 for what can't be an id at all, as the route would.
    """
    row = scopes.ROUTES[route]
    scopes.check_row(row, identity)
    if identity.grant.containers is not None:
        await _check_subject(system, identity.grant.containers, row.subject, arguments)


async def _check_subject(
    system: System, containers: frozenset[str], subject: Subject, arguments: Mapping[str, Any]
) -> None:
    match subject:
        case Subject.NODE | Subject.REACHED:
            pass
        case Subject.CONTAINER:
            if queries.internal_id(arguments["internal_id"]) not in containers:
                raise not_found("container")
        case Subject.VOLUME:
            if queries.volume_id(arguments["volume_id"]) not in reached_volumes(system, containers):
                raise not_found("volume")
        case Subject.OPERATION:
            if not await _reaches_operation(system, containers, arguments["operation_id"]):
                raise not_found("operation")
        case Subject.PORT:
            _, entry = ports.find(system.ports.state, arguments["ip"], arguments["port"])
            if entry.held_by not in containers:
                raise ports.port_not_found()
        case _:
            assert_never(subject)


def reached_volumes(system: System, containers: Iterable[str]) -> frozenset[str]:
    """Return the volumes that ``containers`` are on now, those that are not deleted."""
    specs = (member.state.spec for member in map(system.fleet.get, containers) if member is not None)
    return frozenset(spec.volume_id for spec in specs if spec is not None)


async def _reaches_operation(system: System, containers: frozenset[str], operation_id: str) -> bool:
    operation = await find_operation(system, operation_id)
    if operation is None:
        return False
    if isinstance(operation, Job):
        return operation.volume_id in reached_volumes(system, containers)
    return operation.internal_id in containers
