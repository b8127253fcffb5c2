"""The real API on a fake engine: what a client can reach, what a test can do to it, in one Trio loop."""

import json
import time
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import httpx
import trio
from trio_websocket import open_websocket_url

from actors.kernel.journal import JournalUnavailable
from lightd import daemon
from lightd.config import file as config_file
from tests.contracts.api_checks import CHECKED
from tests.support.daemon import USER, Console
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

TOKEN = "lightd_api_tests_master_token"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "Application/vnd.pkglatv1+json"}
NO_VOLUME = "00000000-0000-0000-0000-000000000000"
PATIENCE = 20.0
ACCOUNTED = {"storage": {"quota": "accounted"}}
"""Sections of a daemon that holds volumes to their sizes by counting what is written."""


def a_file(folder, **sections):
    return {
        "node": "api",
        "server": {"host": "127.0.0.1", "port": 0},
        "authorization": {"enabled": True, "token": TOKEN},
        "docker": {"user": USER, "allowed_mounts": [str(folder / "allowed")]},
        "monitoring": {"enabled": True, "interval_ms": 100},
        **sections,
    }


def write_file(path, file):
    path.write_text(file if isinstance(file, str) else json.dumps(file))
    path.chmod(0o600)


@attrs.define(eq=False)
class Journal:
    """The real journal; ``fault`` makes it fail, ``gate`` holds up what it is to commit.

    After an event of the type ``fills_after`` there is no room for more.
    """

    _inner: object
    fault: str | None = None
    fills_after: type | None = None
    gate: trio.Event | None = None
    held: trio.Event = attrs.field(factory=trio.Event)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, batch):
        if self.gate is not None:
            self.held.set()
            await self.gate.wait()
        if self.fault is not None:
            raise JournalUnavailable(self.fault)
        outcome = await self._inner.commit(batch)
        if self.fills_after and any(isinstance(e, self.fills_after) for each in batch for e in each.events):
            self.fault = "the disk is full"
        return outcome


@attrs.define
class Faults:
    """What goes wrong with calls of the engine, by their names: they wait at a gate, they raise an error."""

    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    errors: dict[str, Exception] = attrs.field(factory=dict)

    async def __call__(self, call, moment):
        if moment is Moment.BEFORE and call.name in self.gates:
            await self.gates[call.name].wait()
        if moment is Moment.BEFORE and call.name in self.errors:
            raise self.errors[call.name]


@attrs.define(eq=False)
class Api:
    """A served system and a client of it. ``call`` returns the answer's body, ``ask`` the whole answer."""

    system: object
    engine: fake.FakeEngine
    faults: Faults
    journal: Journal
    url: str
    client: httpx.AsyncClient

    async def ask(self, method, path, body=None, /, *, headers=HEADERS, **options):
        if body is not None:
            options["json"] = body
        return await self.client.request(method, self.url + path, headers=headers, **options)

    async def call(self, method, path, body=None, /, status=200, **params):
        answer = await self.ask(method, path, body, params=params or None)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json()

    async def get(self, path, /, status=200, **params):
        return await self.call("GET", path, None, status=status, **params)

    async def post(self, path, body=None, /, status=200, **params):
        return await self.call("POST", path, body, status=status, **params)

    async def refused(self, method, path, body=None, /, **params):
        """What an error says: its status, its code and its sentence; in its shape, or the test fails."""
        answer = await self.ask(method, path, body, params=params or None)
        said = answer.json()
        assert said.keys() == {"error", "code"}, said
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Request-Id"]
        return answer.status_code, said["code"], said["error"]

    @asynccontextmanager
    async def console(self, path="s1", query="", *, token=f"?token={TOKEN}", **options):
        url = f"{self.url.replace('http', 'ws', 1)}/ws{'/' if path else ''}{path}{token}{query}"
        async with open_websocket_url(url, **options) as connection:
            try:
                yield Console(connection)
            finally:
                await connection.aclose()
                # The library leaves the socket to the garbage collector where the server closed first.
                await trio.aclose_forcefully(connection._stream)

    async def shake_hands(self, path, *, headers=None):
        """The answer to a handshake that is going to be refused."""
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
        }
        return await self.client.get(self.url + path, headers={**upgrade, **(headers or {})})

    async def volume(self):
        return (await self.post("/volumes", status=201))["volume_id"]

    async def port(self, port, ip="127.0.0.1", protocol="tcp"):
        address = {"ip": ip, "port": port, "protocol": protocol}
        await self.post("/network/ports", address)
        return address

    async def a_body(self, internal_id="s1", command="stdin-echo", **fields):
        return {
            "internal_id": internal_id,
            "image": fake.RIG_IMAGE,
            "volume_id": await self.volume(),
            "startup_command": command,
            **fields,
        }

    async def create(self, internal_id="s1", command="stdin-echo", **fields):
        body = await self.a_body(internal_id, command, **fields)
        answer = await self.post("/containers", body, wait=PATIENCE)
        assert answer["status"] == "succeeded", answer
        return answer

    async def power(self, action, internal_id="s1", **params):
        return await self.post(f"/containers/{internal_id}/{action}", **{"wait": PATIENCE, **params})

    async def running(self, **fields):
        await self.create(**{"start_pattern": "Ready", **fields})
        assert (await self.power("start", fields.get("internal_id", "s1")))["status"] == "succeeded"

    async def show(self, internal_id="s1"):
        return await self.get(f"/containers/{internal_id}")

    async def types(self, internal_id="s1"):
        """The types of all that happened to a container."""
        return [each["type"] for each in (await self.get(f"/containers/{internal_id}/events"))["events"]]

    def allow_viewers(self, count):
        """Let each container have so many WebSockets at a time."""
        server = attrs.evolve(self.system.config.server, viewers_per_container=count)
        self.system.config = attrs.evolve(self.system.config, server=server)

    def rewrite(self, **sections):
        """Have the file of the configuration say something else."""
        write_file(self.system.path, a_file(self.system.path.parent, **sections))

    async def reload(self, **sections):
        """Have the daemon take on a configuration with other sections."""
        self.rewrite(**sections)
        return await self.post("/remote/config/reload")

    async def wait_engine(self, *, up=True):
        with trio.fail_after(PATIENCE):
            while self.system.fleet.engine_up.value is not up:
                await self.system.fleet.engine_up.wake.wait()


@asynccontextmanager
async def open_api(folder, *, sections=None, **engine_settings):
    """A daemon in ``folder`` that serves, its engine at hand; the next one there finds what it left."""
    engines = []
    faults = Faults()

    @asynccontextmanager
    async def open_engine(*_):
        async with fake.open_fake_engine(faults=faults, **engine_settings) as engine:
            engine._opened += fake.EPOCH - time.time()  # its clock is the daemon's
            engines.append(engine)
            yield engine

    path = Path(folder) / "config.json"
    write_file(path, a_file(folder, **(sections or {})))
    async with daemon.open_system(config_file.load(path), open_engine, path=path) as system:
        journal = system.bus._journal = Journal(system.bus._journal)
        async with (
            daemon.open_front(system) as urls,
            httpx.AsyncClient(timeout=PATIENCE, trust_env=False, verify=False, event_hooks=CHECKED) as client,
        ):
            api = Api(system, engines[0], faults, journal, urls[0], client)
            await api.wait_engine()
            yield api


def on_disk(volume, name=""):
    """Where a file of a volume that the API has shown is on the disk."""
    return Path(volume["path"], name)


def held_in(volume):
    """The names of what is in a volume's own directory."""
    return sorted(path.name for path in on_disk(volume).iterdir())


def route(volume):
    return f"/volumes/{volume['id']}"


async def minted(api):
    """The headers of a new token that may do everything for an hour."""
    token = (await api.post("/auth/tokens", {"ttl": "1h"}))["token"]
    return {"Authorization": f"Bearer {token}"}
