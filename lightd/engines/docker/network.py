"""The bridge network of our containers: that it is there, is closed between them, and where it is."""

import logging
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker import recipe, translate
from lightd.engines.docker.calls import Calls
from lightd.engines.docker.translate import Refused

logger = logging.getLogger("lightd.engines.docker")

NOT_FOUND = 404
CONFLICT = 409


@attrs.define(eq=False)
class Network:
    """Makes the network where it is missing; whatever it looks at, ``inside`` learns."""

    _calls: Calls
    inside: ContainerNetworks
    _making: trio.Lock = attrs.field(factory=trio.Lock)
    _told: str | None = None

    async def ensure(self) -> None:
        """The network is there. Raises as ``Engine.create_server``."""
        async with self._making:
            if await self.look():
                return
            try:
                await self._calls.change("POST", "networks/create", recipe.to_network())
            except Refused as no:
                if no.status != CONFLICT:
                    raise translate.to_fault(no) from None
            await self.look()

    async def look(self) -> bool:
        """Whether the network is there; ``inside`` knows where. Raises as ``Engine.list``."""
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
        self._warn(found)
        return True

    def _warn(self, found: Mapping[str, Any]) -> None:
        """Say once of each network that somebody else made it, and has left it open."""
        if recipe.is_closed(found) or self._told == found["Id"]:
            return
        self._told = found["Id"]
        logger.warning(
            "the network %s lets containers reach each other: stop them, remove it (docker network rm %s), "
            "and lightd makes it anew",
            recipe.NETWORK,
            recipe.NETWORK,
        )
