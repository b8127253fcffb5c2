"""Operations: the outcome of each command to a container, by the id that the command carries.

An operation whose command led to events is read from the journal. A command that changes nothing, because its
goal is already reached or pursued, leads to no event: its operation is kept in memory, among the newest
``REMEMBERED``, and ends when the container reaches a resting phase.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs
import trio

from actors.container.fleet import Fleet, Member, internal_id_of, stream_of
from actors.container.operations import Operation, Status, fold, to_kind
from actors.container.state import Outcome, State
from actors.kernel.bus import PAGE, Bus
from actors.kernel.mailbox import Receipt

REMEMBERED: Final = 1000

_GOALS: Final = {
    "start": Outcome.UP,
    "restart": Outcome.UP,
    "stop": Outcome.DOWN,
    "kill": Outcome.DOWN,
    "delete": Outcome.GONE,
}


@attrs.define(eq=False)
class Operations:
    """Finds operations and waits for them."""

    _bus: Bus
    _fleet: Fleet
    _clock: Callable[[], float]
    _nursery: trio.Nursery
    _joined: OrderedDict[str, Operation] = attrs.field(factory=OrderedDict)

    def begin(self, operation_id: str, member: Member, receipt: Receipt) -> Operation:
        """Return the operation of the command that ``receipt`` acknowledges."""
        if receipt.recorded:
            first = receipt.recorded[0]
            begun = Operation(operation_id, to_kind(operation_id), member.internal_id, first.at)
            return fold(begun, receipt.recorded)
        begun = Operation(operation_id, to_kind(operation_id), member.internal_id, self._clock())
        joined = self._joined[operation_id] = self._join(begun, member.state)
        while len(self._joined) > REMEMBERED:
            self._joined.popitem(last=False)
        if not joined.settled:
            self._nursery.start_soon(self._settle_joined, joined, member)
        return joined

    def _join(self, operation: Operation, state: State) -> Operation:
        outcome = state.traits.outcome
        if outcome is None:
            return operation
        if outcome is _GOALS.get(operation.kind, outcome):
            return attrs.evolve(operation, status=Status.SUCCEEDED, finished_at=self._clock())
        reason = state.error or f"the container is {state.phase.value}"
        return attrs.evolve(operation, status=Status.FAILED, error=reason, finished_at=self._clock())

    async def _settle_joined(self, operation: Operation, member: Member) -> None:
        view = await member.wait_until(lambda view: self._join(operation, view.state).settled)
        if operation.operation_id in self._joined:
            self._joined[operation.operation_id] = self._join(operation, view.state)

    async def find(self, operation_id: str) -> Operation | None:
        """Return an operation as it stands now, None where there is no such one.

        The error of one that is pending is what its container waits for, if that is known.
        """
        found = await self._find(operation_id)
        member = None if found is None or found.settled else self._fleet.get(found.internal_id)
        if found is None or member is None or not member.console.trouble:
            return found
        return attrs.evolve(found, error=member.console.trouble)

    async def _find(self, operation_id: str) -> Operation | None:
        if joined := self._joined.get(operation_id):
            return joined
        for record in await self._bus.caused(operation_id):
            internal_id = internal_id_of(record.stream)
            if internal_id is not None:
                begun = Operation(operation_id, to_kind(operation_id), internal_id, record.at)
                return await self._follow(begun, record.version - 1)
        return None

    async def _follow(self, operation: Operation, version: int) -> Operation:
        while records := await self._bus.history(stream_of(operation.internal_id), version, PAGE):
            version = records[-1].version
            operation = fold(operation, records)
            if operation.settled:
                break
        return operation

    async def wait(self, operation: Operation, member: Member, receipt: Receipt) -> Operation:
        """Return the operation once it has ended."""
        if not receipt.recorded and not operation.settled:
            view = await member.wait_until(lambda view: self._join(operation, view.state).settled)
            return self._join(operation, view.state)
        events = self._bus.subscribe(receipt.position, stream_of(operation.internal_id))
        while not operation.settled:
            operation = fold(operation, await events.next())
        return operation
