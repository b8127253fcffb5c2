"""How every engine makes a container anew, and holds a living one to other limits. See ``engine_checks``."""

import socket

import attrs
import pytest
import trio

from actors.container.engine import EngineRefused, Missing, Role
from actors.container.spec import Limits, PortBinding
from tests.contracts.engine_checks import MIB, MISSING, read_until


async def check_candidate_is_made_beside_the_running_server(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    server = await engine.create_server(spec, 1)
    await engine.start(server)
    new = attrs.evolve(spec, environment=(("A", "1"),))
    candidate = await engine.create_candidate(new, 1, ())
    assert await engine.create_candidate(new, 1, ()) == candidate
    rows = {row.engine_id: (row.internal_id, row.role, row.running) for row in await engine.list()}
    assert rows == {
        server: (spec.internal_id, Role.SERVER, True),
        candidate: (spec.internal_id, Role.CANDIDATE, False),
    }


async def check_candidate_of_another_spec_replaces_the_one_before(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    first = await engine.create_candidate(spec, 1, ())
    second = await engine.create_candidate(attrs.evolve(spec, environment=(("A", "1"),)), 1, ())
    third = await engine.create_candidate(attrs.evolve(spec, environment=(("A", "1"),)), 2, ())
    assert len({first, second, third}) == 3
    assert [row.engine_id for row in await engine.list()] == [third]


async def check_candidate_takes_the_servers_place_once(bench):
    engine, spec = bench.engine, bench.spec("ignore-sigterm")
    server = await engine.create_server(spec, 1)
    await engine.start(server)
    new = attrs.evolve(spec, startup_command="stdin-echo")
    candidate = await engine.create_candidate(new, 1, ())
    for _ in range(2):
        await engine.replace(spec.internal_id, candidate)
        rows = [(row.engine_id, row.role, row.running) for row in await engine.list()]
        assert rows == [(candidate, Role.SERVER, False)]
    assert await engine.inspect(server) is None
    assert await engine.create_server(new, 1) == candidate
    async with engine.attach(candidate) as console:
        await engine.start(candidate)
        await read_until(console, b"Ready")
    await engine.remove(spec.internal_id, Role.SERVER)
    assert await engine.list() == []


async def check_candidate_takes_the_place_of_nobody(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    candidate = await engine.create_candidate(spec, 1, ())
    await engine.replace(spec.internal_id, candidate)
    assert [(row.engine_id, row.role) for row in await engine.list()] == [(candidate, Role.SERVER)]


async def check_candidate_that_is_gone_costs_the_server_nothing(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    server = await engine.create_server(spec, 1)
    await engine.start(server)
    candidate = await engine.create_candidate(attrs.evolve(spec, tty=False), 1, ())
    await engine.remove(spec.internal_id, Role.CANDIDATE)
    for gone in (candidate, MISSING):
        with pytest.raises(Missing):
            await engine.replace(spec.internal_id, gone)
    assert (await engine.inspect(server)).running
    await engine.remove(spec.internal_id, Role.CANDIDATE)
    assert [row.engine_id for row in await engine.list()] == [server]


async def check_cancelled_replacement_is_done_or_not_and_can_be_repeated(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    server = await engine.create_server(spec, 1)
    candidate = await engine.create_candidate(attrs.evolve(spec, tty=False), 1, ())
    for patience in (0, 0.001, 0.005, 0.02):
        with trio.move_on_after(patience):
            await engine.replace(spec.internal_id, candidate)
    await engine.replace(spec.internal_id, candidate)
    assert [row.engine_id for row in await engine.list()] == [candidate]
    assert await engine.inspect(server) is None


async def check_candidates_new_ports_must_be_free_and_its_old_ones_may_be_the_servers(bench):
    engine = bench.engine
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = busy.getsockname()[1], other.getsockname()[1]
        other.close()
        holder = bench.spec("stdin-echo", ports=(PortBinding("127.0.0.1", free, "tcp", free),))
        new = PortBinding("127.0.0.1", taken, "tcp", taken)
        await engine.start(await engine.create_server(holder, 1))
        if hasattr(engine, "bound"):
            engine.bound.add((taken, "tcp"))
        with pytest.raises(EngineRefused, match=f"Port {taken}/tcp is in use on the host"):
            await engine.create_candidate(attrs.evolve(holder, ports=(*holder.ports, new)), 1, (new,))
        assert [row.role for row in await engine.list()] == [Role.SERVER]
        await engine.create_candidate(attrs.evolve(holder, tty=False), 1, ())
        with pytest.raises(EngineRefused, match=f"Port {free}/tcp"):
            await engine.create_candidate(attrs.evolve(holder, tty=False), 2, holder.ports)


async def check_limits_hold_for_a_running_container_and_what_is_not_given_stays(bench):
    engine = bench.engine
    spec = bench.spec("stdin-echo", limits=Limits(memory=64 * MIB, pids=50))
    engine_id = await engine.create_server(spec, 1)
    await engine.start(engine_id)
    await engine.update(engine_id, Limits(memory=96 * MIB, cpu=0.5, pids=60))
    assert (await engine.sample([engine_id]))[engine_id].memory_limit == 96 * MIB
    await engine.update(engine_id, Limits(memory=64 * MIB, cpu=0.5, pids=60))
    assert (await engine.sample([engine_id]))[engine_id].memory_limit == 64 * MIB
    assert (await engine.inspect(engine_id)).running


async def check_limits_of_a_container_at_rest_hold_once_it_runs(bench):
    engine = bench.engine
    engine_id = await engine.create_server(bench.spec("stdin-echo"), 1)
    await engine.update(engine_id, Limits(memory=96 * MIB))
    await engine.start(engine_id)
    assert (await engine.sample([engine_id]))[engine_id].memory_limit == 96 * MIB


async def check_limits_of_what_is_missing(bench):
    with pytest.raises(Missing):
        await bench.engine.update(MISSING, Limits(pids=5))
