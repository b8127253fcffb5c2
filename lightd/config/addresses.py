"""IP addresses in one form: an IPv4 address that is written as an IPv6 address is the IPv4 address. Pure."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def to_address(text: str) -> Address:
    """The address that ``text`` means, without its scope (``%eth0``); raises ``ValueError``.

    ``::ffff:127.0.0.1`` is ``127.0.0.1`` (RFC 4291, 2.5.5.2).
    """
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
