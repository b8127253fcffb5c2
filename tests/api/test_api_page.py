"""The calls that the page of the API shows do what they show, word for word."""

import json
import os
import re
from pathlib import Path

import trio

from lightd.api.container_fields import ContainerBody
from lightd.http.wire import read
from tests.api.front import TOKEN
from tests.rig import engine
from tests.support.page_blocks import all_blocks

PAGE = Path(__file__).parents[2] / "docs/api.md"
NEWER = "eclipse-temurin:21-jre"


async def test_every_call_of_the_volumes_works_as_it_stands(api, tmp_path):
    engine.require("curl")
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    first, define, _, *lines = block.strip().split("\n")
    assert first.startswith("url=")
    (tmp_path / "server.jar").write_bytes(os.urandom(5000))
    script = f"set -euo pipefail; url={api.url} token={TOKEN} id={await api.volume()}\n{define}\n"
    routes = set()
    for line in lines:
        done = await trio.run_process(
            ["bash", "-c", script + line], cwd=tmp_path, capture_stdout=True, check=False
        )
        assert done.returncode == 0, line
        said = done.stdout.decode()
        assert '"error":"' not in said, (line, said)
        assert said.startswith("HTTP/1.1 200") if " -I " in line else said == "" or json.loads(said), (
            line,
            said,
        )
        routes.add(re.sub(r'[?"].*', "", line.partition("$url")[2].split()[0]))
    assert (tmp_path / "copy.jar").read_bytes() == (tmp_path / "server.jar").read_bytes()
    assert (tmp_path / "head.bin").read_bytes() == (tmp_path / "server.jar").read_bytes()[:100]
    assert len(routes) == 14


def to_names(value):
    """The names in a JSON value, without the values; of a list, those in its first entry."""
    if isinstance(value, dict):
        return {name: to_names(each) for name, each in value.items()}
    return to_names(value[0]) if isinstance(value, list) and value else None


async def test_every_other_call_of_the_page_works_as_it_stands(api):
    engine.require("curl", "jq")
    prelude, page, filtered, node, mint, command, stats, *changes, operation = all_blocks(
        "docs/api.md", "bash"
    )
    reinstall, recreate, rebind, edit, image, policy = changes
    shown = [json.loads(text) for text in all_blocks("docs/api.md", "json")]
    node_shown, minted, sent, measured, queried, edited, told = (
        answer for answer in shown if not {"seq", "startup_command"} & answer.keys()
    )
    api.engine.registry.add(NEWER)
    await api.port(25570, "0.0.0.0")
    await api.create("server-001", start_pattern="Ready")
    await api.power("start", "server-001")

    async def run(block):
        script = f"set -euo pipefail; URL={api.url} TOKEN={TOKEN}\n{prelude}\n{block}"
        done = await trio.run_process(["bash", "-c", script], capture_stdout=True, check=False)
        assert done.returncode == 0, block
        return json.loads(done.stdout)

    assert await run(page) == {"containers": [], "next": None}
    assert await run(filtered) == {"containers": []}
    assert to_names(await run(node)) == to_names(node_shown)
    assert (await run(mint)).keys() == minted.keys()
    assert await run(command) == sent
    while not (found := await run(stats))["current"]:
        await trio.sleep(0.1)
    assert to_names(found) == to_names(measured)
    assert (await run(reinstall))["status"] == "succeeded"
    assert (await api.show("server-001"))["image"] == NEWER
    recreated = await run(recreate)
    assert recreated["status"] == "succeeded"
    assert (await api.get(f"/operations/{recreated['operation_id']}"))["run_script"] is False
    assert (await run(rebind))["status"] == "succeeded"
    assert [port["port"] for port in (await api.show("server-001"))["ports"]] == [25570]
    await api.power("start", "server-001")
    await api.ask("PATCH", "/containers/server-001", json={"query": {"protocol": "minecraft"}})
    assert (await api.get("/containers/server-001/query")).keys() == queried.keys()
    assert await run(edit) == edited
    assert (await run(image))["at_next_start"] == ["image"]
    assert (await run(policy))["applied"] == ["restart_policy"]
    assert (await api.show("server-001"))["restart_policy"] == {"mode": "on-crash", "max": 5, "within": 300}
    ended = await run(operation)
    assert ended.keys() == told.keys()
    assert (ended["kind"], ended["internal_id"]) == (told["kind"], told["internal_id"])


async def test_container_body_of_the_page_is_accepted_and_shows_the_defaults(api):
    (shown,) = (body for text in all_blocks("docs/api.md", "json") if "tty" in (body := json.loads(text)))
    body = read(ContainerBody, shown)
    shortest = read(ContainerBody, {name: shown[name] for name in list(shown)[:4]})
    same = ("user", "tty", "read_only", "pull", "labels", "display_name", "restart_policy")
    assert [getattr(body, name) for name in same] == [getattr(shortest, name) for name in same]
    volume_id = await api.volume()
    await api.port(25565, "0.0.0.0")
    await api.post("/containers?wait=60", {**shown, "volume_id": volume_id, "mount": {}}, status=409)
    created = await api.show("server-001")
    assert created["stop"] == shown["stop"]
    assert created["ports"] == shown["ports"]
