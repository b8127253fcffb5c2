"""Clients as the server tells them apart: by address."""

import ipaddress

from lightd.config.addresses import to_address


def to_key(host: str) -> str:
    """Return what all addresses of one client have in common.

    An IPv6 client has a /64, which is what one customer is given; one that comes by IPv4 over IPv6 is that
    IPv4 address.
    """
    if ":" not in host:
        return host
    address = to_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
