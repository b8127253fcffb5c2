"""Many real containers on one daemon, and whether it says of each what Docker says."""

import attrs
import httpx
import trio

from tests.rig import engine
from tests.support.daemon import PATIENCE, Daemon, open_client

AT_ONCE = 8


@attrs.define
class Crowd:
    """``size`` containers of a daemon, of which every second one runs once ``gather`` is through."""

    daemon: Daemon
    size: int
    prefix: str

    @property
    def names(self) -> list[str]:
        return [f"{self.prefix}-{number:03}" for number in range(self.size)]

    async def gather(self) -> None:
        """Have all of them created, and every second one running."""
        volume = await self.daemon.volume()
        limit = trio.CapacityLimiter(AT_ONCE)

        async def settle(number: int, name: str) -> None:
            async with limit:
                await self.daemon.create(name, volume_id=volume, start_pattern="Ready", limits={"pids": 32})
                if number % 2 == 0:
                    assert (await self.daemon.power("start", name))["status"] == "succeeded"

        async with trio.open_nursery() as nursery:
            for number, name in enumerate(self.names):
                nursery.start_soon(settle, number, name)

    def change(self, count: int) -> None:
        """Behind the daemon's back, kill ``count`` that run and start as many that don't."""
        for running, resting in zip(
            self.names[0 : 2 * count : 2], self.names[1 : 2 * count : 2], strict=True
        ):
            engine.call("POST", f"/containers/lightd-{running}/kill", signal="KILL")
            engine.call("POST", f"/containers/lightd-{resting}/start")

    def in_docker(self) -> dict[str, bool]:
        """Return which of them run."""
        states = self.daemon.in_docker()
        return {name: states[f"lightd-{name}"] == "running" for name in self.names}

    async def wait_true(self) -> None:
        """Wait until the daemon says of each what Docker does; the first answer may be long in coming."""
        expected = {name: "running" if runs else "offline" for name, runs in self.in_docker().items()}
        async with open_client() as client:
            with trio.fail_after(PATIENCE):
                while await self._shown(client) != expected:
                    await trio.sleep(0.02)

    async def _shown(self, client: httpx.AsyncClient) -> dict[str, str]:
        answer = (await client.get(f"{self.daemon.url}/containers")).json()
        return {row["internal_id"]: row["state"] for row in answer["containers"]}
