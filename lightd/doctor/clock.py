"""The clock: whether anybody sets it, and whether the year can be."""

import ctypes
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import trio

from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.subject import Subject

SLOW: Final = "reboot: the kernel does not tell its time"
YEARS: Final = range(2025, 2100)
SET: Final = "timedatectl set-ntp true (or: apt install systemd-timesyncd)"
_AREA = Area("clock")
_UNSYNCHRONISED = 0x40  # STA_UNSYNC, adjtimex(2)
_STATUS = struct.Struct("@i4xlllli")  # struct timex: modes, offset, freq, maxerror, esterror, status


async def look(subject: Subject, tell: Tell) -> None:
    """Look at this machine's clock; the engine and the panel compare theirs where they are looked at."""
    await trio.lowlevel.checkpoint()
    for finding in to_findings(subject.now, status()):
        tell(finding)


def status() -> int | None:
    """The kernel's status bits of its clock, None where it doesn't tell them."""
    told = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(told) < 0:
        return None
    found: int = _STATUS.unpack_from(told.raw)[5]
    return found


def to_findings(now: float, bits: int | None) -> Iterator[Finding]:
    """What the time and the status of the clock mean. Pure."""
    at = datetime.fromtimestamp(now, UTC)
    if at.year not in YEARS:
        yield _AREA.bad("year", f"it is hardly {at:%Y-%m-%d}: certificates and tokens will fail", SET)
    if bits is None:
        yield _AREA.unseen("synchronised", "the kernel does not say whether the clock is synchronised")
    elif bits & _UNSYNCHRONISED:
        yield _AREA.doubtful("synchronised", "nobody synchronises the clock", SET)
    else:
        yield _AREA.good("synchronised", f"synchronised; it is {at:%Y-%m-%d %H:%M} UTC")
