"""Whether what clients send to the daemon can be read on the way. Pure."""

from ipaddress import ip_network
from typing import Final

from lightd.config.addresses import to_address
from lightd.config.rules import is_loopback
from lightd.config.sections import Server

_PRIVATE: Final = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
            *("fc00::/7", "fe80::/10"),
        ),
    )
)
"""RFC 1918, 6598, 3927, 4193 and 4291."""


def to_exposure(server: Server) -> str | None:
    """Return a sentence if ``server`` listens on a public address over plain HTTP, else None.

    A wildcard or a host name counts as public. A private address does not: it is usually that of a VPN or of
    a network of its own.
    """
    if server.tls.cert is not None or is_loopback(server.host):
        return None
    try:
        address = to_address(server.host)
    except ValueError:
        public = True
    else:
        public = not any(address in network for network in _PRIVATE)
    if not public:
        return None
    return (
        f"lightd listens on {server.host} over plain HTTP: anyone on the network path can read the tokens, "
        "the consoles and the files"
    )
