"""The interface that leads out of the host, from ``/proc/net`` (proc_pid_net(5)) and ``/sys/class/net``."""

from pathlib import Path
from typing import Final

import attrs

_V4: Final = ("route", "00000000")
_V6: Final = ("ipv6_route", "0" * 32)


@attrs.frozen
class _Route:
    interface: str
    metric: int
    mtu: int = 0


def read_mtu(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int | None:
    """The MTU of the default route with the lowest metric, in bytes; None where there is no such route.

    IPv6 counts only on a host without a default route for IPv4. Of several routes with the same metric, the
    smallest MTU counts. Blocks.
    """
    for routes in (_read_v4(proc), _read_v6(proc)):
        lowest = min((route.metric for route in routes), default=None)
        mtus = [mtu for route in routes if route.metric == lowest and (mtu := _to_mtu(route, sys))]
        if mtus:
            return min(mtus)
    return None


def _read_v4(proc: Path) -> list[_Route]:
    file, default = _V4
    rows = [line.split() for line in _lines(proc / "net" / file)[1:]]
    # Iface Destination Gateway Flags RefCnt Use Metric Mask MTU ...; the mask is in hexadecimal too.
    return [
        _Route(row[0], int(row[6]), int(row[8])) for row in rows if row[1] == default and row[7] == default
    ]


def _read_v6(proc: Path) -> list[_Route]:
    file, default = _V6
    rows = [line.split() for line in _lines(proc / "net" / file)]
    # destination length source length next-hop metric references use flags interface
    return [
        _Route(row[9], int(row[5], 16))
        for row in rows
        if row[0] == default and row[1] == "00" and row[9] != "lo"
    ]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _to_mtu(route: _Route, sys: Path) -> int:
    """The MTU of the route itself where it has one, else of its interface; 0 where it can't be read."""
    try:
        of_interface = int((sys / "class" / "net" / route.interface / "mtu").read_text())
    except (OSError, ValueError):
        of_interface = 0
    return min(filter(None, (route.mtu, of_interface)), default=0)
