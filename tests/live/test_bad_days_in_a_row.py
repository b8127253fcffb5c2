"""The daemon and the engine are killed again and again while a panel keeps both busy; the end is true.

What is drawn from a seed is what is done and when; what comes of it depends on the machine.
`nox -s soak` tries more seeds than the gate, which tries one.
"""

import gc
import random

import attrs
import httpx
import pytest
import trio

from tests.rig import engine
from tests.support import soak
from tests.support.daemon import Daemon, free_port, inspect, open_client

# A request whose server is killed leaves its body's generator to the garbage collector.
pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

SEEDS = soak.times(1)
ROUNDS = 6
NAMES = [f"b{number}" for number in range(6)]
ACTIONS = ("create", "start", "start", "stop", "kill", "restart", "delete")
RESTING = ("offline", "running")
STARTUPS = ("stdin-echo", "stdin-echo", "line-printer 0 0.05", "sleep 1; exit 3")
ASKED = ("stop-requested", "kill-requested")


@attrs.define
class Panel:
    """Somebody who asks for this and that, whether or not anybody answers."""

    daemon: Daemon
    dice: random.Random
    volume: str
    ports: dict = attrs.field(factory=lambda: {name: free_port() for name in NAMES})
    done: int = 0
    leaving: bool = False

    async def use(self, name):
        while not self.leaving:
            await trio.sleep(self.dice.uniform(0.0, 0.4))
            await self.ask(name, self.dice.choice(ACTIONS))

    async def ask(self, name, action):
        match action:
            case "create":
                answer = await self.call("POST", "/containers", self.body(name))
            case "delete":
                answer = await self.call("DELETE", f"/containers/{name}", wait=0)
            case _:
                answer = await self.call("POST", f"/containers/{name}/{action}")
        assert answer in (None, 200, 404, 409, 503), (name, action, answer)
        self.done += answer == 200

    async def call(self, method, path, body=None, **params):
        """The answer's status, None where there was none."""
        try:
            async with open_client(timeout=20) as client:
                url = self.daemon.url + path
                return (await client.request(method, url, json=body, params=params)).status_code
        except httpx.TransportError:
            return None

    def body(self, name):
        return {
            "internal_id": name,
            "image": engine.IMAGE,
            "volume_id": self.volume,
            "startup_command": self.dice.choice(STARTUPS),
            "start_pattern": self.dice.choice(["Ready|line 1", None]),
            "ports": [{"ip": "127.0.0.1", "port": self.ports[name]}],
            "install_script": self.dice.choice([None, "echo installing", "sleep 1", "exit 3"]),
            "stop": {"timeout": 1},
        }


async def have_bad_days(daemon, second, dice):
    for _ in range(ROUNDS):
        await trio.sleep(dice.uniform(0.3, 2.0))
        victims = dice.choice([("daemon",), ("engine",), ("engine", "daemon"), ("daemon", "engine")])
        for victim in victims:
            if victim == "daemon":
                daemon.kill()
            else:
                await second.kill()
        await trio.sleep(dice.choice([0.0, 0.5]))
        if "engine" in victims:
            await second.start(live_restore=dice.random() < 0.5)
        if "daemon" in victims:
            await daemon.start()


LIVES = ("created", "deletion-requested", "deleted")
"""The events of a container's beginning and of its end; an id can be used again."""


async def at_rest(daemon):
    """Wait until nothing is under way any more, and return every container as it is shown."""
    with trio.fail_after(90):
        while True:
            rows = (await daemon.get("/containers"))["containers"]
            resting = all(row["install_state"] != "installing" and row["state"] in RESTING for row in rows)
            if resting and not any([await is_leaving(daemon, row["internal_id"]) for row in rows]):
                return [await daemon.show(row["internal_id"]) for row in rows]
            await trio.sleep(0.2)


async def is_leaving(daemon, name):
    """Return whether the container is gone, or its deletion was requested: it is shown until that is done."""
    history = await daemon.call("GET", f"/containers/{name}/events", status=None, limit=1000)
    kinds = [event["type"] for event in history.get("events", ()) if event["type"] in LIVES]
    return not kinds or kinds[-1] != "created"


def check_shown(shown):
    """What is shown of a container is what Docker says."""
    found = inspect(shown["internal_id"])
    if shown["install_state"] == "failed":
        assert found is None
        return
    if found is None:
        assert shown["container_id"] is None
        return
    state = found["State"]
    assert found["Id"] == shown["container_id"]
    assert (shown["state"] == "running") is state["Running"], (shown, state)
    if shown["exit"] is not None and shown["exit"]["code"] is not None:
        assert shown["exit"]["code"] == state["ExitCode"], (shown, state)


async def check_history(daemon, name):
    """Each run ended once at most, and was expected to where somebody had asked for it."""
    events = (await daemon.get(f"/containers/{name}/events", limit=1000))["events"]
    ended = [event["data"]["run"] for event in events if event["type"] == "exited"]
    assert len(ended) == len(set(ended)), events
    for event in events:
        if event["type"] == "exited":
            run = event["data"]["run"]
            asked = any(e["type"] in ASKED and e["data"]["run"] == run for e in events)
            assert event["data"]["expected"] is asked, events
    starts = [
        event["data"]["started_at"] for event in events if event["type"] in ("started", "found-running")
    ]
    assert len(starts) == len(set(starts)), events


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_random_failures_leave_a_true_state_and_no_remains(second, second_daemon, seed):
    dice = random.Random(seed)
    panel = Panel(second_daemon, random.Random(seed + 1000), await second_daemon.volume())
    for port in panel.ports.values():
        await second_daemon.post("/network/ports", {"ip": "127.0.0.1", "port": port})
    async with trio.open_nursery() as nursery:
        for name in NAMES:
            nursery.start_soon(panel.use, name)
        await have_bad_days(second_daemon, second, dice)
        panel.leaving = True
    gc.collect()  # what requests left, while it is expected
    assert panel.done
    await second_daemon.engine_up()
    everything = await at_rest(second_daemon)
    for shown in everything:
        check_shown(shown)
        await check_history(second_daemon, shown["internal_id"])
    alive = {shown["internal_id"] for shown in everything if shown["install_state"] == "ready"}
    made = {shown["internal_id"] for shown in everything if shown["container_id"]}
    assert second_daemon.in_docker().keys() == {f"lightd-{name}" for name in made}
    ports = (await second_daemon.get("/network/ports"))["ports"]
    assert {port["used_by"] for port in ports if port["in_use"]} == alive
    for shown in everything:
        await second_daemon.call("DELETE", f"/containers/{shown['internal_id']}", wait=60)
    assert second_daemon.in_docker() == {}
    ports = (await second_daemon.get("/network/ports"))["ports"]
    assert not [port for port in ports if port["in_use"]]
    assert not [
        folder for folder in (second_daemon.folder / "storage/containers").iterdir() if any(folder.iterdir())
    ]
