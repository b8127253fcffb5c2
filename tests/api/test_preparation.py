"""Starts of containers that were created from eggs: what must be filled in first, and what is written."""

import json
from pathlib import Path

import attrs
import pytest

from actors.container import messages
from actors.container.spec import EggUse
from tests.api.front import on_disk
from tests.support import builders
from tests.support.example_egg import EGG
from tests.support.fake_engine import engine as fake

MISSING = "variables must be filled in first: NAME (Name) must have a value"


async def created(api, volume, *variables, **changes):
    """A container of an egg, whose variable NAME must be filled in and which writes a.cfg."""
    imported = await api.system.eggs.put(json.dumps(EGG).encode())
    egg = EggUse(imported.entry.id, imported.version, variables)
    fields = {"image": fake.RIG_IMAGE, "volume_id": volume["id"], "egg": egg, **changes}
    await api.system.create_container(builders.a_spec("s1", "stdin-echo", **fields), "create-1")
    member = api.system.fleet.get("s1")
    await member.wait_until(lambda view: view.state.engine_id is not None)
    return member


@pytest.mark.parametrize("action", ["start", "restart"])
async def test_start_with_variables_that_are_missing_is_a_409_that_names_them(api, volume, action):
    member = await created(api, volume)
    before = member.state
    refused = await api.refused("POST", f"/containers/s1/{action}")
    assert refused == (409, "variables_missing", MISSING)
    assert member.state == before
    assert "a.cfg" not in [path.name for path in on_disk(volume).iterdir()]


async def test_start_over_a_websocket_with_missing_variables_is_refused(api, volume):
    member = await created(api, volume)
    async with api.console("s1") as console:
        await console.send("power", action="start")
        assert (await console.until("error"))["data"] == MISSING
    assert member.state.run == 0


async def test_start_writes_the_configuration_files_and_says_so(api, volume):
    member = await created(api, volume, ("NAME", "Bob"))
    await api.power("start")
    assert on_disk(volume, "a.cfg").read_text() == "port=\n"
    assert "a.cfg was adapted" in member.console.notes.tail(10).items
    await api.power("restart")
    assert list(member.console.notes.tail(10).items).count("a.cfg was adapted") == 1


async def test_start_of_a_running_server_is_no_start(api, volume):
    member = await created(api, volume, ("NAME", "Bob"))
    await api.power("start")
    egg = attrs.evolve(member.state.spec.egg, variables=(("NAME", ""),))
    await member.handle.ref.ask(messages.Edit(egg=egg, egg_before=member.state.spec.egg))
    assert (await api.power("start"))["status"] == "succeeded"
    assert (await api.refused("POST", "/containers/s1/restart"))[1] == "variables_missing"


async def test_egg_that_cannot_be_read_is_a_failed_start_with_the_reason(api, volume):
    await created(api, volume, ("NAME", "Bob"))
    folder = Path(volume["path"]).parent.parent / "eggs"
    for path in folder.glob("*@*"):
        path.write_text("{}")
    api.system.eggs._recent.clear()
    answer = await api.post("/containers/s1/start", status=409, wait=20)
    assert answer["code"] == "operation_failed"
    assert "cannot be used" in answer["error"]
    assert (await api.show("s1"))["state"] == "offline"
