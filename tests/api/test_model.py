"""Ports and containers against a small model, through HTTP: whatever is asked, in whatever order."""

import functools
import itertools
import tempfile
import threading
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.api.front import open_api
from tests.support import soak

KEYS = list(itertools.product(("0.0.0.0", "127.0.0.1", "10.0.0.1"), (1, 2), ("tcp", "udp")))
IDS = ["a", "b", "c"]
keys = st.sampled_from(KEYS)
ids = st.sampled_from(IDS)


def collide(key, other):
    return key[1:] == other[1:] and (key[0] == other[0] or "0.0.0.0" in (key[0], other[0]))


class Served:
    """An API in a thread of its own, for a test that can't wait."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="lightd-model-")
        self._began = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))
        self._thread.start()
        self._began.wait()

    async def _serve(self):
        async with open_api(Path(self._folder.name)) as self._api:
            self._token = trio.lowlevel.current_trio_token()
            self._ended = trio.Event()
            self.volume = await self._api.volume()
            self._began.set()
            await self._ended.wait()

    def ask(self, *call, **params):
        ask = functools.partial(self._api.ask, *call, params=params or None)
        answer = trio.from_thread.run(ask, trio_token=self._token)
        assert answer.status_code < 500, answer.text
        return answer.status_code, answer.json()

    def end(self):
        trio.from_thread.run_sync(self._ended.set, trio_token=self._token)
        self._thread.join()
        self._folder.cleanup()


class Node(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.served = Served()
        self.marked = {}  # of every port in the pool
        self.held = {}  # by whom a port is held
        self.containers = {}  # the power state of each

    def teardown(self):
        self.served.end()

    def in_use(self, key):
        return self.marked[key] or key in self.held

    def path(self, key):
        return f"/network/ports/{key[0]}/{key[1]}"

    @rule(key=keys)
    def add(self, key):
        body = dict(zip(("ip", "port", "protocol"), key, strict=True))
        status, _ = self.served.ask("POST", "/network/ports", body)
        assert status == (409 if key in self.marked else 200)
        self.marked.setdefault(key, False)

    @rule(ports=st.lists(keys, max_size=4))
    def delete_many(self, ports):
        asked = [dict(zip(("ip", "port", "protocol"), key, strict=True)) for key in ports]
        _, answer = self.served.ask("POST", "/network/ports/bulk-delete", {"ports": asked})
        gone = {key for key in ports if key in self.marked and key not in self.held}
        assert answer["deleted_count"] == len(gone)
        assert len(answer["skipped"]) == len({key for key in ports if key in self.held})
        self.marked = {key: marked for key, marked in self.marked.items() if key not in gone}

    @rule(key=keys)
    def delete(self, key):
        status, _ = self.served.ask("DELETE", self.path(key), protocol=key[2])
        assert status == (404 if key not in self.marked else 409 if key in self.held else 200)
        if status == 200:
            del self.marked[key]

    @rule(key=keys, in_use=st.booleans())
    def mark(self, key, in_use):
        status, _ = self.served.ask("PUT", self.path(key) + "/use", {"in_use": in_use}, protocol=key[2])
        assert status == (404 if key not in self.marked else 409 if key in self.held else 200)
        if status == 200:
            self.marked[key] = in_use

    @rule(protocol=st.sampled_from(["tcp", "udp"]))
    def pick(self, protocol):
        used = [key for key in self.marked if self.in_use(key)]
        free = [key for key in self.marked if not any(collide(key, other) for other in used)]
        status, answer = self.served.ask("GET", "/network/ports/random", protocol=protocol)
        if any(key[2] == protocol for key in free):
            assert (answer["ip"], answer["port"], answer["protocol"]) in free
        else:
            assert status == 404

    @rule(
        internal_id=ids,
        ports=st.lists(keys, max_size=3, unique=True),
        image=st.sampled_from(["lightd-rig:latest"] * 3 + ["no/such"]),
    )
    def create(self, internal_id, ports, image):
        asked = [dict(zip(("ip", "port", "protocol"), key, strict=True)) for key in ports]
        body = {
            "internal_id": internal_id,
            "image": image,
            "volume_id": self.served.volume,
            "startup_command": "stdin-echo",
            "start_pattern": "Ready",
            "ports": asked,
        }
        status, answer = self.served.ask("POST", "/containers", body, wait=20)
        failed = answer.get("code") == "operation_failed"
        assert (200 if failed else status) == self.expected(internal_id, ports), answer
        if status == 200 or failed:
            assert failed == (image == "no/such")
            self.containers[internal_id] = "failed" if failed else "offline"
            self.held |= {} if failed else dict.fromkeys(ports, internal_id)

    def expected(self, internal_id, ports):
        if internal_id in self.containers:
            return 409
        if not self.marked.keys() >= set(ports):  # whatever the others are
            return 404
        used = [key for key in self.marked if self.in_use(key)]
        free = not any(collide(key, other) for key in ports for other in used)
        apart = not any(collide(key, other) for n, key in enumerate(ports) for other in ports[:n])
        return 200 if free and apart else 409

    @precondition(lambda self: self.containers)
    @rule(internal_id=ids, action=st.sampled_from(["start", "stop", "kill", "restart"]))
    def power(self, internal_id, action):
        status, answer = self.served.ask("POST", f"/containers/{internal_id}/{action}", wait=20)
        goal = "running" if action in ("start", "restart") else "offline"
        if internal_id not in self.containers:
            assert status == 404
        elif self.containers[internal_id] == "failed":
            assert status == (409 if goal == "running" else 200)
        else:
            assert (status, answer["status"]) == (200, "succeeded")
            self.containers[internal_id] = goal

    @precondition(lambda self: self.containers)
    @rule(internal_id=ids)
    def delete_container(self, internal_id):
        status, _ = self.served.ask("DELETE", f"/containers/{internal_id}")
        assert status == (200 if self.containers.pop(internal_id, None) else 404)
        self.held = {key: holder for key, holder in self.held.items() if holder != internal_id}

    @invariant()
    def the_pool_is_what_the_model_says(self):
        _, answer = self.served.ask("GET", "/network/ports")
        shown = {
            (row["ip"], row["port"], row["protocol"]): (row["in_use"], row["used_by"])
            for row in answer["ports"]
        }
        assert shown == {key: (self.in_use(key), self.held.get(key)) for key in self.marked}

    @invariant()
    def the_containers_are_what_the_model_says(self):
        _, answer = self.served.ask("GET", "/containers")
        shown = {
            row["internal_id"]: "failed" if row["install_state"] == "failed" else row["state"]
            for row in answer["containers"]
        }
        assert shown == self.containers


TestNode = pytest.mark.soak(Node.TestCase)
TestNode.settings = settings(
    max_examples=soak.times(8),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
