"""The bridge network of lightd's containers: creates it, connects containers to it, learns its addresses.

A container that has run refers to its network by id. When the network is removed (``docker network rm``,
``docker system prune``) and created again under the same name, such a container can't be started until it is
disconnected from the old network and connected to the new one (``reconnect``).
"""

import logging
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import attrs
import trio

from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker import recipe, translate
from lightd.engines.docker.calls import Calls
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.translate import Refused
from lightd.engines.host import uplink

logger = logging.getLogger("lightd.engines.docker")

NOT_FOUND = 404
CONFLICT = 409

_REMOVED: Final = re.compile(r"network \S+ not found", re.IGNORECASE)


def is_removed(no: Refused) -> bool:
    """Whether a start was refused because a network of the container does not exist any more."""
    return _REMOVED.search(no.message) is not None


def is_connected(inspected: Mapping[str, Any]) -> bool:
    """Whether an inspected container is connected to a network of the name of ours, perhaps a removed one."""
    if inspected["HostConfig"].get("NetworkMode") != recipe.NETWORK:
        return True  # it is not meant to be
    return recipe.NETWORK in (inspected["NetworkSettings"].get("Networks") or {})


async def find_mtu(configured: int) -> int | None:
    """The MTU that the network should have: the configured one, else the uplink's, None if it has none."""
    return configured or await trio.to_thread.run_sync(partial(uplink.read_mtu))


@attrs.define(eq=False)
class Network:
    """Creates the network if it is missing; ``inside`` learns its addresses each time it is looked at."""

    _calls: Calls
    inside: ContainerNetworks
    _policy: Policy = attrs.field(factory=Policy)
    _making: trio.Lock = attrs.field(factory=trio.Lock)
    _warned: set[str] = attrs.field(factory=set)

    async def ensure(self) -> None:
        """Create the network if it does not exist. Raises as ``Engine.create_server``."""
        async with self._making:
            if await self.look():
                return
            mtu = await find_mtu(self._policy.network_mtu)
            try:
                await self._calls.change("POST", "networks/create", recipe.to_network(mtu))
            except Refused as no:
                if no.status != CONFLICT:
                    raise translate.to_fault(no) from None
            await self.look()

    async def reconnect(self, engine_id: str) -> None:
        """Connect a stopped container to the network as it is now. Raises as ``Engine.create_server``.

        If this is interrupted between the two calls, the container has no network; ``is_connected`` tells so.
        """
        await self.ensure()
        to = f"networks/{recipe.NETWORK}"
        with trio.CancelScope(shield=True):
            try:
                await self._calls.change("POST", f"{to}/disconnect", {"Container": engine_id, "Force": True})
            except Refused as no:
                logger.debug("%s was not connected: %s", engine_id, no.message)
            try:
                await self._calls.change("POST", f"{to}/connect", {"Container": engine_id})
            except Refused as no:
                raise translate.to_fault(no) from None
        logger.info("reconnected container %s to the network %s", engine_id[:12], recipe.NETWORK)

    async def look(self) -> bool:
        """Return whether the network exists; ``inside`` learns its addresses. Raises as ``Engine.list``."""
        try:
            found = await self._calls.get(f"networks/{recipe.NETWORK}")
        except Refused as no:
            if no.status != NOT_FOUND:
                raise translate.to_fault(no) from None
            return False
        ranges = (found.get("IPAM") or {}).get("Config") or ()
        self.inside.learn(
            [each["Subnet"] for each in ranges if each.get("Subnet")],
            [each["Gateway"] for each in ranges if each.get("Gateway")],
        )
        await self._warn(found)
        return True

    async def _warn(self, found: Mapping[str, Any]) -> None:
        """Log once for each network what is wrong with it."""
        network_id: str = found["Id"]
        if network_id in self._warned:
            return
        self._warned.add(network_id)
        if not recipe.is_closed(found):
            logger.warning(
                "the network %s lets containers reach each other: lightd did not create it "
                "(`lightd doctor` says how to fix this)",
                recipe.NETWORK,
            )
        wanted = await find_mtu(self._policy.network_mtu)
        if wanted is not None and (mtu := recipe.to_mtu(found)) > wanted:
            logger.warning(
                "the network %s has an MTU of %d, but only %d bytes fit through: large packets may be lost "
                "(`lightd doctor` says how to fix this)",
                recipe.NETWORK,
                mtu,
                wanted,
            )
