"""How values are shown to people: ages, sizes, ports, states. Pure.

Ages, sizes and ports have docker's form. The texts can contain names from the daemon: filter them by
``screen``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
KIB: Final = 1024
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([bkmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_POWERS: Final = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def to_age(seconds: float) -> str:
    """A duration in its largest unit: ``3 minutes``."""
    if seconds < 1:
        return "Less than a second"
    if seconds < MINUTE:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if seconds < HOUR:
        return "About a minute" if seconds < 2 * MINUTE else f"{int(seconds / MINUTE)} minutes"
    hours = int(seconds / HOUR + 0.5)
    if hours * HOUR < 2 * DAY:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for size, unit in ((365 * DAY, "years"), (30 * DAY, "months"), (7 * DAY, "weeks")):
        if hours * HOUR >= 2 * size:
            return f"{hours * HOUR // size} {unit}"
    return f"{hours * HOUR // DAY} days"


def to_ago(at: float, now: float) -> str:
    """A moment in the past: ``3 minutes ago``."""
    age = to_age(now - at)
    return f"{age[0].lower()}{age[1:]} ago"


def to_size(count: float) -> str:
    """Bytes in the largest binary unit with four digits: ``1.5GiB``."""
    for unit in _UNITS[:-1]:
        if count < KIB:
            return f"{count:.4g}{unit}"
        count /= KIB
    return f"{count:.4g}{_UNITS[-1]}"


def from_size(text: str) -> int:
    """The bytes that ``512M``, ``2g``, ``1.5GiB`` or a plain number mean; raises ``ValueError``."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * KIB ** _POWERS[found[2].lower()])


def to_ports(ports: Iterable[Mapping[str, Any]]) -> str:
    """Ports, ranges of them as one: ``0.0.0.0:25565-25584->25565-25584/tcp, [::]:80->8080/tcp``."""
    return ", ".join(
        f"{to_host(first, count)}->{_to_range(first['container_port'], count)}/{first['protocol']}"
        for first, count in in_a_row(ports, lambda port: port["container_port"] - port["port"])
    )


def in_a_row(
    ports: Iterable[Mapping[str, Any]], same: Callable[[Mapping[str, Any]], object]
) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The first of each range of ports for which ``same`` is the same, and how many there are."""
    ordered = sorted(ports, key=lambda port: (port["ip"], port["protocol"], port["port"]))
    for _, group in groupby(
        enumerate(ordered),
        lambda each: (each[1]["ip"], each[1]["protocol"], each[1]["port"] - each[0], same(each[1])),
    ):
        found = [port for _, port in group]
        yield found[0], len(found)


def to_host(first: Mapping[str, Any], count: int) -> str:
    """The address and the numbers of ``count`` ports: ``[::]:80-82``."""
    ip = f"[{first['ip']}]" if ":" in first["ip"] else first["ip"]
    return f"{ip}:{_to_range(first['port'], count)}"


def _to_range(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def to_state(row: Mapping[str, Any]) -> str:
    """The most important state of a container, as one word."""
    if row.get("quarantined"):
        return "quarantined"
    if row["install_state"] != "ready":
        return str(row["install_state"])
    ended = row.get("exit")
    if row["state"] == "offline" and ended:
        return "crashed" if is_crash(ended) else "exited"
    return str(row["state"])


def is_crash(ended: Mapping[str, Any]) -> bool:
    """Whether people call it a crash: the end was not requested, and its code is not 0."""
    return bool(ended.get("crashed", not ended.get("expected", True))) and ended.get("code") != 0


def to_status(row: Mapping[str, Any], now: float) -> str:
    """The state of a container and since when: ``running 3 minutes``, ``crashed (137) 3 minutes ago``."""
    state = to_state(row)
    if state in {"crashed", "exited"}:
        return f"{state}{_to_cause(row['exit'])}{_since(row['exit'].get('at'), now)}"
    started_at = row.get("started_at")
    if state in {"running", "starting"} and started_at:
        age = to_age(now - started_at)
        return f"{state} {age[0].lower()}{age[1:]}"
    return state


def _to_cause(ended: Mapping[str, Any]) -> str:
    code = ended.get("code")
    parts = [*([] if code is None else [str(code)]), *(["out of memory"] if ended.get("oom_killed") else [])]
    return f" ({', '.join(parts)})" if parts else ""


def _since(at: float | None, now: float) -> str:
    return "" if at is None else f" {to_ago(at, now)}"
