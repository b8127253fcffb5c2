"""The port pool beside a fleet: what a container lets go of is given back, whatever happens between."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.events import Deleted
from actors.container.fleet import open_fleet
from actors.container.spec import PortBinding
from actors.container.state import Phase
from actors.kernel.bus import open_bus
from actors.kernel.decider import Rejection
from actors.kernel.supervisor import open_supervisor
from actors.portpool.actor import open_portpool
from actors.portpool.messages import Add, Lease
from actors.volumes import messages as volume
from actors.volumes.actor import open_volumes
from lightd.engines.patterns import compile_pattern
from lightd.leasing import Claims, to_key
from tests.simulated.world import FullJournal, World, a_spec, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake

PORT = ("0.0.0.0", 25565, "tcp")
OTHER = ("0.0.0.0", 25566, "tcp")
BINDING = PortBinding("0.0.0.0", 25565, "tcp", 25565)
OTHER_BINDING = attrs.evolve(BINDING, port=25566)


@asynccontextmanager
async def open_daemon(journal, engine, to_claims=Claims):
    async with (
        open_bus(journal) as bus,
        open_supervisor() as supervisor,
        open_fleet(bus, engine, supervisor, compile_pattern, journal.clock, MemoryConsoleLog()) as fleet,
    ):
        pool = await open_portpool(bus, supervisor, to_claims(fleet).at)
        yield World(journal, engine, bus, fleet), pool


@asynccontextmanager
async def open_pool():
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine) as (world, pool):
        await pool.ref.ask(Add((PORT, OTHER)))
        yield world, pool


async def create(world, pool, internal_id="s1", **changes):
    """Lease and create, as whoever serves a request does."""
    await pool.wait_followed()
    await pool.ref.ask(Lease(internal_id, (PORT,)))
    await world.create(a_spec(internal_id, ports=(BINDING,), **changes))


def owner(pool, key=PORT):
    return pool.state.entries[key].held_by


async def test_container_holds_its_ports_for_as_long_as_it_lives(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        await pool.wait_followed()
        assert owner(pool) == "s1"
        with pytest.raises(Rejection, match="in use by container s1"):
            await pool.ref.ask(Lease("s2", (PORT,)))


async def test_deletion_gives_the_ports_back(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Delete())
        await world.wait_gone()
        await pool.wait_followed()
        assert owner(pool) is None


async def test_installation_that_fails_gives_the_ports_back(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool, image="no-such:image")
        await world.wait(Phase.FAILED)
        await pool.wait_followed()
        assert owner(pool) is None


async def test_new_container_of_an_old_name_does_not_lose_its_ports_to_the_old_ones_deletion(
    autojump_clock,
):
    async with open_pool() as (world, pool):
        for _ in range(5):
            await create(world, pool)
            await world.wait(Phase.OFFLINE)
            await world.tell(messages.Delete())
            await world.wait_gone()
        await create(world, pool)
        await trio.sleep(10)
        await pool.wait_followed()
        assert owner(pool) == "s1"


class UnknownClaims(Claims):
    """As those of containers whose actors are quarantined."""

    async def at(self, internal_id, position):
        await super().at(internal_id, position)


async def test_ports_are_kept_while_it_is_unknown_what_their_container_claims(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, UnknownClaims) as (world, pool):
            await pool.ref.ask(Add((PORT, OTHER)))
            await create(world, pool)
            await world.wait(Phase.OFFLINE)
            await world.tell(messages.Delete())
            await world.wait_gone()
            await pool.wait_followed()
            assert owner(pool) == "s1"
        async with open_daemon(journal, engine) as (_, pool):
            assert owner(pool) is None


async def test_release_belongs_to_the_operation_that_led_to_it(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        await world.member().handle.ref.ask(messages.Delete(), "operation-7")
        await world.wait_gone()
        await pool.wait_followed()
        causes = {type(r.event).__name__: r.cause for r in world.journal.records}
        assert causes["PortsReleased"] == causes["Deleted"]


async def lease_to_a_stranger(journal, engine):
    """A daemon's whole life: one port goes to a container, the other to one that nobody creates then."""
    async with open_daemon(journal, engine) as (world, pool):
        await pool.ref.ask(Add((PORT, OTHER)))
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        await pool.ref.ask(Lease("never-created", (OTHER,)))


async def test_leases_survive_a_restart_and_those_of_strangers_are_given_back(autojump_clock):
    """A crash fell between the lease and the creation, another between a deletion and the release."""
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        await lease_to_a_stranger(journal, engine)
        await trio.sleep(1)
        async with open_daemon(journal, engine) as (_, pool):
            assert owner(pool) == "s1"
            assert owner(pool, OTHER) is None
            await pool.wait_followed()
            assert owner(pool) == "s1"


async def test_ports_are_given_back_once_the_journal_can_be_written_again(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        world.journal.fills_after = Deleted
        await world.tell(messages.Delete())
        await world.wait_gone()
        await trio.sleep(5)
        assert owner(pool) == "s1"
        world.journal.fills_after, world.journal.full = None, False
        with trio.fail_after(100):
            await pool.wait_followed()
        assert owner(pool) is None


async def rebind(world, pool, *bindings):
    """Lease and ask, as whoever serves a request does."""
    await pool.wait_followed()
    await pool.ref.ask(Lease("s1", tuple(map(to_key, bindings))))
    await world.tell(messages.Rebind(bindings))


async def test_other_ports_are_held_beside_the_old_ones_until_the_container_has_them(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        world.engine.latency = 1.0
        await rebind(world, pool, OTHER_BINDING)
        await pool.wait_followed()
        assert (owner(pool), owner(pool, OTHER)) == ("s1", "s1")
        await world.member().wait_until(lambda view: view.state.change is None)
        await pool.wait_followed()
        assert (owner(pool), owner(pool, OTHER)) == (None, "s1")
        assert world.state().known_spec.ports == (OTHER_BINDING,)


async def test_ports_that_could_not_be_had_are_given_back_and_the_old_ones_are_kept(autojump_clock):
    async with open_pool() as (world, pool):
        await create(world, pool)
        await world.wait(Phase.OFFLINE)
        world.engine.bound.add((25566, "tcp"))
        await rebind(world, pool, OTHER_BINDING)
        await world.member().wait_until(lambda view: view.state.change is None)
        await pool.wait_followed()
        assert (owner(pool), owner(pool, OTHER)) == ("s1", None)
        assert world.state().error == "Port 25566/tcp is in use on the host"


async def test_lease_whose_wish_was_never_recorded_is_given_back_by_the_next_start(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as (world, pool):
            await pool.ref.ask(Add((PORT, OTHER)))
            await create(world, pool)
            await world.wait(Phase.OFFLINE)
            await pool.ref.ask(Lease("s1", (OTHER,)))
        async with open_daemon(journal, engine) as (world, pool):
            assert (owner(pool), owner(pool, OTHER)) == ("s1", None)


async def test_start_on_a_full_disk_is_a_start_and_strangers_leases_go_once_there_is_room(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        await lease_to_a_stranger(journal, engine)
        journal.full = True
        async with open_daemon(journal, engine) as (world, pool):
            await trio.sleep(100)
            assert (owner(pool), owner(pool, OTHER)) == ("s1", "never-created")
            journal.full = False
            await trio.sleep(20)
            assert (owner(pool), owner(pool, OTHER)) == ("s1", None)
            await world.tell(messages.Delete())
            await world.wait_gone()
            await pool.wait_followed()
            assert owner(pool) is None


async def test_volumes_are_known_after_a_restart(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    for created in (True, False):
        async with open_bus(journal) as bus, open_supervisor() as supervisor:
            handle = await open_volumes(bus, supervisor)
            if created:
                await handle.ref.ask(volume.Create("v1", 512, 1.0))
                with pytest.raises(Rejection):
                    await handle.ref.ask(volume.Create("v1", 512, 1.0))
            assert list(handle.view.state.volumes) == ["v1"]
