"""What every command of a client needs: the id of its operation, and a bounded time until it is decided."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from actors.kernel.mailbox import Overloaded
from lightd.audit.trail import note_operation

T = TypeVar("T")

DECISION_TIMEOUT = 10.0
TOO_LATE: Final = "timeout, try again later"


async def settle(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns; a client that disconnects meanwhile does not cancel it.

    Raises ``Overloaded`` after ``DECISION_TIMEOUT`` seconds; how much of the work was done is unknown then.
    """
    with trio.move_on_after(DECISION_TIMEOUT, shield=True):
        return await work()
    raise Overloaded(TOO_LATE)


def new_operation_id(kind: str = "change") -> str:
    """Return a fresh operation id that begins with ``kind``."""
    return f"{kind}-{uuid.uuid4().hex}"


def begin_operation(kind: str = "change") -> str:
    """Return a fresh operation id, and write it to the audit entry of the current request if it has one."""
    operation_id = new_operation_id(kind)
    note_operation(operation_id)
    return operation_id
