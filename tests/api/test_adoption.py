"""What of a lost journal's can be adopted, by whom, and what is kept of a daemon for it."""

import json

import trio

from lightd.journal.inventory import open_inventory
from tests.api.front import HEADERS
from tests.support.scoped import bearing, mint


def inventory(api):
    return {path.name: path for path in (api.system.config.storage.base_path / "inventory").iterdir()}


async def until(condition):
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.02)


async def test_only_an_unrestricted_admin_adopts(api):
    await api.create()
    bodies = {
        "/orphans/containers/adopt": {"container_id": "c1"},
        "/orphans/volumes/adopt": {"volume_id": "0" * 8},
    }
    for containers, permissions in ((["s1"], ["admin"]), (None, ["power"])):
        token = await mint(api, containers, permissions)
        for path, body in bodies.items():
            assert (
                await api.ask("POST", path, body, headers={**HEADERS, **bearing(token)})
            ).status_code == 403
    refused = await api.ask("POST", "/orphans/containers/adopt", {"container_id": "../../x"})
    assert refused.json()["code"] == "invalid_request"


async def test_inventory_follows_what_exists(api):
    await api.create("s1")
    engine_id = (await api.show("s1"))["container_id"]
    await until(lambda: f"container-{engine_id}" in inventory(api))
    name = f"container-{engine_id}"
    path = inventory(api)[name]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await api.call("PATCH", "/containers/s1", {"restart_policy": {"mode": "on-crash"}})
    await until(lambda: b'"on-crash"' in path.read_bytes())
    spare = (await api.call("POST", "/volumes", {"size": 5}, status=201))["volume_id"]
    await until(lambda: f"volume-{spare}" in inventory(api))
    assert json.loads(inventory(api)[f"volume-{spare}"].read_bytes())["quota_mb"] == 5
    await api.call("DELETE", f"/volumes/{spare}")
    await api.call("DELETE", "/containers/s1")
    await until(lambda: not {name, f"volume-{spare}"} & inventory(api).keys())


async def test_damaged_file_is_not_adopted(api):
    await api.create("s1")
    volume = await api.volume()
    engine_id = (await api.show("s1"))["container_id"]
    files = (f"container-{engine_id}", f"volume-{volume}")
    await until(lambda: inventory(api).keys() >= set(files))
    for name in files:
        path = inventory(api)[name]
        path.write_bytes(path.read_bytes()[:-9])
    opened = open_inventory(api.system.config.storage.base_path, "other")
    assert engine_id not in [found.engine_id for found in opened.containers()]
    assert volume not in [found.volume_id for found in opened.volumes()]
    assert opened.earlier == {api.system.inventory.journal_id}
    refused = await api.ask("POST", "/orphans/containers/adopt", {"container_id": engine_id})
    assert refused.json()["code"] == "not_adoptable"
