"""The listening sockets of this machine, from ``/proc/net`` (proc_pid_net(5))."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

import attrs

_TABLES: Final = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
_BOUND: Final = {"tcp": "0A", "udp": "07"}  # listening; for UDP: unconnected
_ROW = re.compile(r"\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) (?:\S+ +){5}(\d+)")


@attrs.frozen
class Listener:
    """A bound socket; ``ip`` is in canonical form."""

    ip: str
    port: int
    protocol: str
    inode: int


def read(proc: Path) -> list[Listener]:
    """All bound sockets. Blocks; a missing table (no IPv6) counts as empty."""
    found: list[Listener] = []
    for table, protocol in _TABLES:
        try:
            text = (proc / "net" / table).read_text()
        except OSError:
            continue
        found.extend(to_listeners(text, protocol))
    return found


def to_listeners(table: str, protocol: str) -> Iterator[Listener]:
    """The bound sockets in one table of the kernel. Pure."""
    for line in table.splitlines():
        row = _ROW.match(line)
        if row is not None and row[3] == _BOUND[protocol]:
            yield Listener(to_ip(row[1]), int(row[2], 16), protocol, int(row[4]))


def to_ip(told: str) -> str:
    """Parse an address as the kernel prints it: 32-bit words in little-endian order. Pure."""
    raw = b"".join(bytes.fromhex(told[at : at + 8])[::-1] for at in range(0, len(told), 8))
    if len(raw) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
        return str(IPv4Address(raw))
    address = IPv6Address(raw)
    return str(address.ipv4_mapped or address)


def to_owner(proc: Path, inodes: Sequence[int]) -> str | None:
    """Name and pid of a process that has one of these sockets; None if it cannot be determined."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.glob("[0-9]*"):
        try:
            held = any(str(link.readlink()) in wanted for link in (process / "fd").iterdir())
            if held:
                return f"{(process / 'comm').read_text().strip()} ({process.name})"
        except OSError:
            continue
    return None
