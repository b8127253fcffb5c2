"""Tests whether ports of the host can be bound now: binds them and closes them again.

Docker binds a container's ports when it starts. Testing them earlier reports a port that is in use while the
old container is still running. Blocks for a few system calls: call it in a worker thread.
"""

import errno
import socket
from collections.abc import Iterable

from actors.container.engine import EngineRefused
from actors.container.spec import PortBinding

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def check_free(ports: Iterable[PortBinding]) -> None:
    """Raise ``EngineRefused`` if one of ``ports`` cannot be bound."""
    for port in ports:
        try:
            _try(port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise EngineRefused(f"Port {port.port}/{port.protocol} is in use on the host") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise EngineRefused(f"The host has no address {port.ip}") from None
            # Other errors prove nothing: the engine may have permissions that lightd does not have.


def _try(port: PortBinding) -> None:
    family = socket.AF_INET6 if ":" in port.ip else socket.AF_INET
    with socket.socket(family, _KINDS[port.protocol]) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port.protocol == "tcp":
            # As with Docker, TIME_WAIT is ignored.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((port.ip, port.port))
        if port.protocol == "tcp":
            probe.listen(1)
