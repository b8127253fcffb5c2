"""How every engine makes, removes and shows containers. See ``engine_checks``."""

import attrs
import pytest
import trio

from actors.container.engine import EngineRefused, Missing, Role
from actors.container.spec import Limits
from tests.contracts.engine_checks import MIB, MISSING, read_to_end, read_until, wait_ended


async def check_image_that_is_there_is_not_pulled(bench):
    said = []
    await bench.engine.ensure_image(bench.spec("stdin-echo").image, "missing", said.append)
    assert said == []


async def check_image_that_is_nowhere_is_refused(bench):
    spec = bench.spec("stdin-echo", image="127.0.0.1:1/lightd/no-such-image:1")
    with pytest.raises(EngineRefused):
        await bench.engine.ensure_image(spec.image, "missing", lambda _: None)
    with pytest.raises(EngineRefused):
        await bench.engine.create_server(spec, 1)
    assert await bench.engine.list() == []


async def check_creating_twice_makes_one(bench):
    spec = bench.spec("stdin-echo")
    first = await bench.engine.create_server(spec, 1)
    assert await bench.engine.create_server(spec, 1) == first
    await bench.engine.start(first)
    assert await bench.engine.create_server(spec, 1) == first
    assert (await bench.engine.inspect(first)).running


async def check_creating_from_another_spec_or_in_another_attempt_replaces(bench):
    spec = bench.spec("stdin-echo")
    first = await bench.engine.create_server(spec, 1)
    await bench.engine.start(first)
    second = await bench.engine.create_server(attrs.evolve(spec, environment=(("A", "1"),)), 1)
    third = await bench.engine.create_server(attrs.evolve(spec, environment=(("A", "1"),)), 2)
    assert len({first, second, third}) == 3
    assert [row.engine_id for row in await bench.engine.list()] == [third]
    assert await bench.engine.inspect(first) is None


async def check_cancelled_calls_leave_nothing_that_is_not_found_again(bench):
    spec = bench.spec("stdin-echo")
    for patience in (0, 0.001, 0.005, 0.02):
        with trio.move_on_after(patience):
            await bench.engine.create_server(spec, 1)
    engine_id = await bench.engine.create_server(spec, 1)
    assert [row.engine_id for row in await bench.engine.list()] == [engine_id]
    for patience in (0, 0.001, 0.005, 0.02):
        with trio.move_on_after(patience):
            await bench.engine.start(engine_id)
    await bench.engine.start(engine_id)
    assert (await bench.engine.inspect(engine_id)).running
    for patience in (0, 0.001, 0.005):
        with trio.move_on_after(patience):
            await bench.engine.remove(spec.internal_id, Role.SERVER)
    await bench.engine.remove(spec.internal_id, Role.SERVER)
    assert await bench.engine.list() == []


async def check_removing_ends_what_runs_and_its_console(bench):
    spec = bench.spec("ignore-sigterm")
    engine_id = await bench.engine.create_server(spec, 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        await bench.engine.remove(spec.internal_id, Role.SERVER)
        await read_to_end(console)
    assert await bench.engine.inspect(engine_id) is None
    await bench.engine.remove(spec.internal_id, Role.SERVER)
    await bench.engine.remove(spec.internal_id, Role.INSTALLER)


async def check_removing_twice_at_once_is_one_removal(bench):
    spec = bench.spec("stdin-echo")
    engine_id = await bench.engine.create_server(spec, 1)
    await bench.engine.start(engine_id)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.engine.remove, spec.internal_id, Role.SERVER)
        nursery.start_soon(bench.engine.remove, spec.internal_id, Role.SERVER)
        nursery.start_soon(bench.engine.remove_orphan, engine_id)
    assert await bench.engine.inspect(engine_id) is None


async def check_orphan_is_removed_alone(bench):
    one, two = bench.spec("stdin-echo"), bench.spec("stdin-echo")
    orphan, other = await bench.engine.create_server(one, 1), await bench.engine.create_server(two, 1)
    await bench.engine.start(orphan)
    await bench.engine.remove_orphan(orphan)
    await bench.engine.remove_orphan(orphan)
    assert [row.engine_id for row in await bench.engine.list()] == [other]


async def check_many_at_once(bench):
    specs = [bench.spec("stdin-echo") for _ in range(12)]

    async def live(spec):
        engine_id = await bench.engine.create_server(spec, 1)
        await bench.engine.start(engine_id)
        await bench.engine.signal(engine_id, "SIGKILL")
        await wait_ended(bench.engine, engine_id)
        await bench.engine.remove(spec.internal_id, Role.SERVER)

    async with trio.open_nursery() as nursery:
        for spec in specs:
            nursery.start_soon(live, spec)
    assert await bench.engine.list() == []


async def check_missing_container_is_reported_as_missing(bench):
    engine = bench.engine
    assert await engine.inspect(MISSING) is None
    assert await engine.wait_end(MISSING) is None
    for call in (engine.start(MISSING), engine.backlog(MISSING, 0.0)):
        with pytest.raises(Missing):
            await call
    with pytest.raises(Missing):
        async with engine.attach(MISSING):
            pass
    await engine.signal(MISSING, "SIGTERM")
    await engine.resize(MISSING, 80, 25)
    await engine.remove_orphan(MISSING)
    await engine.remove("nobody", Role.SERVER)
    assert await engine.sample([MISSING]) == {}


# ---- sight


async def check_list_has_all_of_ours_whatever_their_state(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="exit 0\n")
    installer, server = await engine.create_installer(spec, 1), await engine.create_server(spec, 1)
    await engine.start(server)
    rows = {row.engine_id: row for row in await engine.list()}
    assert rows.keys() == {installer, server}
    assert (rows[installer].role, rows[installer].running) == (Role.INSTALLER, False)
    assert (rows[server].role, rows[server].running) == (Role.SERVER, True)
    assert {row.internal_id for row in rows.values()} == {spec.internal_id}


async def check_notices_tell_what_happens_from_the_first_moment(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    engine_id = await engine.create_server(spec, 1)
    async with engine.notices() as notices:
        await engine.start(engine_id)
        await engine.signal(engine_id, "SIGKILL")
        await wait_ended(engine, engine_id)
        await engine.remove(spec.internal_id, Role.SERVER)
        seen = []
        async for notice in notices:
            if notice.engine_id != engine_id:
                continue  # of another daemon's container
            seen.append(notice)
            if notice.action == "destroy":
                break
    assert [notice.action for notice in seen] == ["start", "die", "destroy"]
    assert {(notice.engine_id, notice.internal_id, notice.role) for notice in seen} == {
        (engine_id, spec.internal_id, Role.SERVER)
    }


async def check_installers_notices_are_told_as_such(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="exit 0\n")
    async with engine.notices() as notices:
        engine_id = await engine.create_installer(spec, 1)
        await engine.start(engine_id)
        while (notice := await anext(notices)).engine_id != engine_id:
            pass  # of another daemon's container
    assert (notice.action, notice.role) == ("start", Role.INSTALLER)


async def check_version_begins_with_a_number(bench):
    assert (await bench.engine.version())[0].isdigit()


async def check_samples_are_of_those_that_run(bench):
    engine, limits = bench.engine, Limits(memory=64 * MIB)
    running = await engine.create_server(bench.spec("line-printer 0 0.01", limits=limits), 1)
    idle = await engine.create_server(bench.spec("stdin-echo"), 1)
    await engine.start(running)
    first = await engine.sample([running, idle, MISSING])
    assert first.keys() == {running}
    assert first[running].memory_limit == 64 * MIB
    assert 0 < first[running].memory_usage <= 64 * MIB
    assert first[running].pids is None or 1 <= first[running].pids < 20
    async with engine.attach(running) as console:
        await read_until(console, b"line 20")
    later = await engine.sample([running])
    assert later[running].at > first[running].at
    assert later[running].cpu_time > first[running].cpu_time
    await engine.signal(running, "SIGKILL")
    await wait_ended(engine, running)
    assert await engine.sample([running]) == {}


async def check_samples_follow_a_new_life(bench):
    engine, engine_id = bench.engine, await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    for _ in range(2):
        await engine.start(engine_id)
        sample = (await engine.sample([engine_id]))[engine_id]
        assert sample.memory_limit > 64 * MIB  # none of its own: the host's
        await engine.signal(engine_id, "SIGKILL")
        await wait_ended(engine, engine_id)
