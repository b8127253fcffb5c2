"""Whether ports of the host can be bound now: tried, and let go of again.

A container's ports are bound when it starts. Trying them before that tells an operator of a taken port while
the old container still runs. It blocks for as long as a few system calls: call it in a worker thread.
"""

import errno
import socket
from collections.abc import Iterable

from actors.container.engine import EngineRefused
from actors.container.spec import PortBinding

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def check_free(ports: Iterable[PortBinding]) -> None:
    """Raise ``EngineRefused`` where one of ``ports`` can't be bound."""
    for port in ports:
        try:
            _try(port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise EngineRefused(f"Port {port.port}/{port.protocol} is in use on the host") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise EngineRefused(f"The host has no address {port.ip}") from None
            # Else it can't be told, by us: the engine may have rights that we don't have.


def _try(port: PortBinding) -> None:
    family = socket.AF_INET6 if ":" in port.ip else socket.AF_INET
    with socket.socket(family, _KINDS[port.protocol]) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port.protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Docker: not kept by TIME_WAIT
        probe.bind((port.ip, port.port))
        if port.protocol == "tcp":
            probe.listen(1)
