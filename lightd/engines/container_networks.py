"""Recognises connections from our own containers, which are rejected.

A container can connect to its host at the bridge's address and at every other one, and so to every port that
listens there. The daemon closes such connections when it accepts them: that needs no access to the firewall,
which dockerd, firewalld and operators change, and works the same for IPv4 and IPv6. The bridge's own
address is the host, and no container can take it: none may write packets of its own (no ``NET_RAW``, no
``NET_ADMIN``).
"""

import ipaddress
from collections.abc import Iterable

import attrs

from lightd.config.addresses import Address, to_address

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.define(eq=False)
class ContainerNetworks:
    """Where containers live, as far as the engine has told so far."""

    _networks: tuple[_Network, ...] = ()
    _gateways: frozenset[Address] = frozenset()

    def learn(self, subnets: Iterable[str], gateways: Iterable[str]) -> None:
        """Have them live in ``subnets``, whose ``gateways`` are the host's; raises ``ValueError``."""
        networks = tuple(ipaddress.ip_network(subnet, strict=False) for subnet in subnets)
        self._gateways = frozenset(map(ipaddress.ip_address, gateways))
        self._networks = networks

    def holds(self, host: str) -> bool:
        """Whether a container may have the address ``host``."""
        if not self._networks:
            return False
        address = to_address(host)
        return address not in self._gateways and any(address in network for network in self._networks)
