"""The outcome of a command that leases ports, in every order of the decision and its client's cancellation.

The orders: the decision comes first; the client is cancelled first; both come in the same pass of the loop,
in which Trio runs their tasks in random order. An unexpected error is raised in the client or logged, never
both.
"""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from actors.kernel.decider import Rejection
from actors.kernel.mailbox import Receipt
from actors.kernel.promise import Promise
from lightd.leasing import Claims, Leasing

pytestmark = pytest.mark.usefixtures("autojump_clock")

LINE = "op-1 failed after its client had disconnected"


class NoContainers:
    """A fleet without containers."""

    def get(self, _internal_id):
        return None


class FreePorts:
    """A pool whose ports are all free; it accepts every message."""

    def __init__(self):
        self.state = self.ref = self

    async def wait_followed(self):
        await trio.lowlevel.checkpoint()

    def leases(self):
        return {}

    async def tell(self, _message, _cause):
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Client:
    """A client that waits for a decision, and what became of it."""

    leasing: Leasing
    decision: Promise = attrs.field(factory=Promise)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    outcome: object = None

    async def run(self):
        with self.scope:
            try:
                self.outcome = await self.leasing.decide("s1", (), "op-1", self.decision.wait)
            except (Rejection, RuntimeError) as error:
                self.outcome = error


@asynccontextmanager
async def open_client():
    async with trio.open_nursery() as nursery:
        fleet = NoContainers()
        client = Client(Leasing(Claims(fleet), fleet, FreePorts(), nursery))
        nursery.start_soon(client.run)
        await trio.testing.wait_all_tasks_blocked()
        yield client
        await trio.testing.wait_all_tasks_blocked()


async def test_client_gets_the_receipt_of_its_decision():
    async with open_client() as client:
        client.decision.set(Receipt(5))
    assert client.outcome == Receipt(5)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), Rejection("changing", "no")], ids=["bug", "expected"]
)
async def test_error_is_raised_in_a_client_that_waits_and_not_logged(caplog, error):
    async with open_client() as client:
        client.decision.fail(error)
    assert client.outcome is error
    assert LINE not in caplog.text


async def test_bug_after_the_client_was_cancelled_is_logged_once(caplog):
    async with open_client() as client:
        client.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        client.decision.fail(RuntimeError("a bug"))
    assert client.outcome is None
    assert caplog.text.count(LINE) == 1


async def test_expected_error_after_the_client_was_cancelled_is_not_logged(caplog):
    async with open_client() as client:
        client.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        client.decision.fail(Rejection("changing", "no"))
    assert client.outcome is None
    assert LINE not in caplog.text


@pytest.mark.parametrize("attempt", range(20))
async def test_bug_in_the_pass_of_the_cancellation_is_raised_or_logged_once(caplog, attempt):
    async with open_client() as client:
        if attempt % 2:
            client.scope.cancel()
        client.decision.fail(RuntimeError("a bug"))
        client.scope.cancel()
    assert (client.outcome is None) == client.scope.cancelled_caught
    assert caplog.text.count(LINE) == client.scope.cancelled_caught


async def test_ports_are_no_longer_claimed_after_the_decision():
    async with open_client() as client:
        assert "s1" in client.leasing.claims
        client.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert "s1" in client.leasing.claims
        client.decision.set(Receipt(5))
        await trio.testing.wait_all_tasks_blocked()
        assert "s1" not in client.leasing.claims
