"""The clock: whether it is synchronised, and whether its year is plausible."""

import ctypes
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject

SLOW: Final = "look at the load of this machine: uptime"
YEARS: Final = range(2025, 2100)
SET: Final = "timedatectl set-ntp true (or: apt install systemd-timesyncd)"
_AREA = Area("clock")
_UNSYNCHRONISED = 0x40  # STA_UNSYNC, adjtimex(2)
_STATUS = struct.Struct("@i4xlllli")  # struct timex: modes, offset, freq, maxerror, esterror, status


async def look(subject: Subject, tell: Tell) -> None:
    """Check this machine's clock; those of the engine and the panel are compared in their own checks."""
    await trio.lowlevel.checkpoint()
    for finding in to_findings(subject.now, status()):
        tell(finding)


def status() -> int | None:
    """The kernel's status bits of its clock, None if it does not report them."""
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
        yield _AREA.bad(
            "year", f"the clock says {at:%Y-%m-%d}, which is wrong: certificates and tokens will fail", SET
        )
    if bits is None:
        yield _AREA.unseen("synchronised", "the kernel does not report whether the clock is synchronised")
    elif bits & _UNSYNCHRONISED:
        yield _AREA.doubtful("synchronised", "the clock is not synchronised", SET)
    else:
        yield _AREA.good("synchronised", f"the clock is synchronised; it is {at:%Y-%m-%d %H:%M} UTC")
