"""Recognises connections from containers of this node, which are rejected.

A container can connect to every address of its host, and so to every port that listens on all of them. The
daemon closes such connections when it accepts them. This needs no access to the firewall, which dockerd,
firewalld and operators change, and works the same for IPv4 and IPv6. The bridge's own address belongs to the
host; a container cannot use it as a source, because it cannot write raw packets (no ``NET_RAW``, no
``NET_ADMIN``).
"""

import ipaddress
from collections.abc import Iterable

import attrs

from lightd.config.addresses import Address, to_address

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.define(eq=False)
class ContainerNetworks:
    """The networks of containers, as reported by the engine."""

    _networks: tuple[_Network, ...] = ()
    _gateways: frozenset[Address] = frozenset()

    def learn(self, subnets: Iterable[str], gateways: Iterable[str]) -> None:
        """Set the networks to ``subnets``; ``gateways`` are addresses of the host. Raises ``ValueError``."""
        networks = tuple(ipaddress.ip_network(subnet, strict=False) for subnet in subnets)
        self._gateways = frozenset(map(ipaddress.ip_address, gateways))
        self._networks = networks

    @property
    def gateway(self) -> str:
        """The address of the host in these networks, IPv4 if there is one; empty if the engine told none."""
        found = sorted(self._gateways, key=lambda each: (each.version, each.packed))
        return str(found[0]) if found else ""

    def holds(self, host: str) -> bool:
        """Whether ``host`` is an address that a container can have."""
        if not self._networks:
            return False
        address = to_address(host)
        return address not in self._gateways and any(address in network for network in self._networks)
