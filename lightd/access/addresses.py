"""How clients are distinguished: by address."""

import ipaddress

from lightd.config.addresses import to_address


def to_key(host: str) -> str:
    """Return the key of the client at ``host``.

    An IPv6 client is its /64, which is what one customer gets; an IPv4-mapped address is the IPv4 address.
    """
    if ":" not in host:
        return host
    address = to_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
