"""Tokens are revoked once all their containers were deleted, whenever that is noticed."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.container.events import BecameReady, Deleted
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append
from actors.kernel.supervisor import open_supervisor
from actors.tokens.actor import open_tokens
from actors.tokens.grant import EVERYTHING, Grant
from actors.tokens.messages import Mint, to_id
from actors.tokens.retirement import retire
from tests.support.doubles.memory import MemoryJournal

DIGESTS = [letter * 64 for letter in "abcd"]
HOUR = 3600.0


@pytest.fixture
def memory_journal():
    return MemoryJournal(trio.current_time)


class World:
    def __init__(self, bus, tokens):
        self.bus, self.tokens, self.endings = bus, tokens, {}
        bus.on_announce.append(self._note)

    def _note(self, record):
        if isinstance(record.event, Deleted):
            self.endings[record.stream.removeprefix("container-")] = record.position

    async def mint(self, digest, *containers, ttl=HOUR):
        now = trio.current_time()
        grant = Grant(frozenset(containers)) if containers else EVERYTHING
        await self.tokens.ref.ask(Mint(digest, grant, False, now, now + ttl))

    async def delete(self, internal_id):
        await self.bus.publish(Append(f"container-{internal_id}", 0, (BecameReady(1), Deleted())))

    @property
    def left(self):
        return [DIGESTS[i][0] for i in range(4) if to_id(DIGESTS[i]) in self.tokens.view.state.tokens]

    async def run(self):
        await retire(self.bus, self.tokens, self.endings, trio.current_time)


async def test_tokens_go_with_the_last_of_their_containers(memory_journal, nursery, autojump_clock):
    async with open_bus(memory_journal) as bus, open_supervisor() as supervisor:
        tokens = await open_tokens(bus, supervisor, trio.current_time, frozenset, lambda _: None)
        world = World(bus, tokens)
        await world.mint(DIGESTS[0], "x")
        await world.mint(DIGESTS[1], "x", "y")
        await world.mint(DIGESTS[2])
        await world.delete("x")  # nobody looks at it yet
        await world.mint(DIGESTS[3], "x")
        nursery.start_soon(world.run)
        await wait_all_tasks_blocked()
        assert world.left == ["b", "c", "d"]
        await world.delete("z")
        await world.delete("y")
        await wait_all_tasks_blocked()
        assert world.left == ["c", "d"]
        nursery.cancel_scope.cancel()


async def test_token_that_has_expired_by_then_is_left_to_the_sweep(memory_journal, nursery, autojump_clock):
    async with open_bus(memory_journal) as bus, open_supervisor() as supervisor:
        tokens = await open_tokens(bus, supervisor, trio.current_time, frozenset, lambda _: None)
        world = World(bus, tokens)
        nursery.start_soon(world.run)
        await world.mint(DIGESTS[0], "x", ttl=10.0)
        await world.mint(DIGESTS[1], "y")
        await trio.sleep(20)
        await world.delete("x")
        await world.delete("y")
        await wait_all_tasks_blocked()
        assert world.left == ["a"]
        nursery.cancel_scope.cancel()
