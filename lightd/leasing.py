"""Leases ports of the pool for containers that are created or changed.

1. A command that needs ports is decided only after they are leased; if it is rejected, they are released.
2. From the request until the decision the ports count as claimed, so that no other release frees them.
3. Lease and decision run in a task of their own: a client that disconnects does not interrupt them.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import attrs
import trio

from actors.container.fleet import Fleet
from actors.container.spec import PortBinding
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded, Receipt
from actors.kernel.promise import Promise
from actors.portpool.actor import PortPool
from actors.portpool.messages import Keep, Key, Lease
from lightd.api import commands

logger = logging.getLogger(__name__)

CATCH_UP_TIMEOUT: Final = 2.0
"""Seconds to wait for a container's actor to reach the position of a record."""
EXPECTED: Final = (Rejection, JournalUnavailable, Overloaded, ActorGone)


def to_key(port: PortBinding) -> Key:
    """Return the key of ``port`` in the pool."""
    return (port.ip, port.port, port.protocol)


@attrs.define(eq=False)
class Claims:
    """The ports that each container has, or that a command being decided will give it."""

    _fleet: Fleet
    _leasing: dict[str, tuple[Key, ...]] = attrs.field(factory=dict)

    async def at(self, internal_id: str, position: int) -> tuple[Key, ...] | None:
        """Return the claims of a container after the record at ``position``; none if it does not exist.

        None if its actor is quarantined: the claims are unknown then, and nothing may be released.
        """
        member = self._fleet.get(internal_id)
        if member is not None:
            with trio.move_on_after(CATCH_UP_TIMEOUT):
                await member.wait_until(lambda view: view.position >= position)
            if member.handle.quarantined:
                return None
            member = self._fleet.get(internal_id)
        has = () if member is None else tuple(map(to_key, member.state.claimed))
        return (*has, *self._leasing.get(internal_id, ()))

    @contextmanager
    def leasing(self, internal_id: str, ports: Iterable[PortBinding]) -> Iterator[tuple[Key, ...]]:
        """Claim ``ports`` for a container; yield their keys.

        Raises ``Rejection`` (``changing``) if another command of this container is leasing ports.
        """
        if internal_id in self._leasing:
            raise Rejection("changing", f"the ports of container {internal_id} are being changed")
        keys = self._leasing[internal_id] = tuple(map(to_key, ports))
        try:
            yield keys
        finally:
            del self._leasing[internal_id]

    def __contains__(self, internal_id: str) -> bool:
        return internal_id in self._leasing


@attrs.define(eq=False)
class _Request:
    """A command that needs the ports ``keys``, and its outcome; ``held`` is closed once it is decided."""

    internal_id: str
    keys: tuple[Key, ...]
    cause: str
    decide: Callable[[], Awaitable[Receipt]]
    held: ExitStack
    add: bool = False
    receipt: Promise[Receipt] = attrs.field(factory=Promise)
    _abandoned: bool = False

    async def wait(self) -> Receipt:
        """Return the receipt once it is decided, or raise the error."""
        try:
            return await self.receipt.wait()
        except trio.Cancelled:
            self._abandoned = True
            self.log()
            raise

    def log(self) -> None:
        """Log the error if it is unexpected and its client did not wait for it."""
        error = self.receipt.error
        if self._abandoned and error is not None and not isinstance(error, EXPECTED):
            logger.error("%s failed after its client had disconnected", self.cause, exc_info=error)


@attrs.define(eq=False)
class Leasing:
    """Leases ports and decides the commands that need them; ``claims`` has the ports of each container."""

    claims: Claims
    _fleet: Fleet
    _ports: PortPool
    _nursery: trio.Nursery

    async def decide(
        self,
        internal_id: str,
        ports: Iterable[PortBinding],
        cause: str,
        decide: Callable[[], Awaitable[Receipt]],
        held: ExitStack | None = None,
        *,
        add: bool = False,
    ) -> Receipt:
        """Lease ``ports`` for a container and return the receipt of ``decide``; both happen or neither.

        With ``add``, ports that are missing in the pool are added to it, and stay in it.
        ``held`` is closed after the decision, however long that takes. Raises ``Overloaded`` after
        ``commands.DECISION_TIMEOUT`` seconds (the command may still be decided later); ``Rejection``
        (``changing``, ``port_not_found``, ``port_in_use``); and what ``decide`` raises.
        """
        with held or ExitStack() as stack:
            keys = stack.enter_context(self.claims.leasing(internal_id, ports))
            request = _Request(internal_id, keys, cause, decide, stack.pop_all(), add)
            self._nursery.start_soon(self._handle, request)
        with trio.move_on_after(commands.DECISION_TIMEOUT):
            return await request.wait()
        raise Overloaded(commands.TOO_LATE)

    async def _handle(self, request: _Request) -> None:
        with request.held:
            try:
                request.receipt.set(await self._lease_and_decide(request))
            except Exception as error:  # noqa: BLE001 - it is raised again in wait()
                request.receipt.fail(error)
        request.log()

    async def _lease_and_decide(self, request: _Request) -> Receipt:
        await self._ports.wait_followed()
        await self._release_unclaimed(request.cause)
        if request.keys:
            await self._ports.ref.ask(Lease(request.internal_id, request.keys, request.add), request.cause)
        try:
            return await request.decide()
        except (Rejection, JournalUnavailable, Overloaded):
            await self._release(request)
            raise
        except ActorGone:
            if self._fleet.get(request.internal_id) is None:  # else it may restart and claim them
                await self._release(request)
            raise

    async def _release(self, request: _Request) -> None:
        """Release what was leased for ``request``; the ports that the container has stay leased."""
        member = self._fleet.get(request.internal_id)
        claimed = () if member is None else tuple(map(to_key, member.state.claimed))
        await self._ports.ref.tell(Keep(request.internal_id, claimed), request.cause)

    async def _release_unclaimed(self, cause: str) -> None:
        """Release every lease without a claim: an earlier release may have failed with the journal."""
        for owner, held in self._ports.state.leases().items():
            claimed = await self.claims.at(owner, 0)
            if claimed is not None and not held <= set(claimed):
                await self._ports.ref.ask(Keep(owner, claimed), cause)
