"""Clients as the server tells them apart: by address."""

import ipaddress


def to_key(host: str) -> str:
    """Return what all addresses of one client have in common.

    An IPv6 client has a /64, which is what one customer is given; one that comes by IPv4 over IPv6 is that
    IPv4 address.
    """
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
