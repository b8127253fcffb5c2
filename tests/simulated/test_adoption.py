"""A container that another journal recorded is taken over as it is, whatever becomes of it meanwhile."""

import pytest

from actors.container import messages
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_world


async def make(world):
    """A container that runs and that nothing is recorded of; its id and how it is."""
    engine_id = await world.engine.create_server(a_spec(), 1)
    await world.engine.start(engine_id)
    return await world.engine.inspect(engine_id)


async def test_running_container_is_adopted_and_its_end_recorded(autojump_clock):
    async with open_world() as world:
        await world.fleet.adopt(messages.Adopt(a_spec(), 1, await make(world)))
        await world.wait(Phase.RUNNING)
        world.engine.exit("s1", 3)
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.code == 3


@pytest.mark.parametrize("engine_is_down", [False, True])
async def test_end_between_the_look_and_the_adoption_is_found(autojump_clock, engine_is_down):
    async with open_world() as world:
        snapshot = await make(world)
        world.engine.exit("s1", 3)
        if engine_is_down:
            world.engine.go_down()
        await world.fleet.adopt(messages.Adopt(a_spec(), 1, snapshot))
        world.engine.come_back()
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.code == 3
