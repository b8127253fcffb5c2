"""Docker's log with its times: bytes to lines.

With ``timestamps=1`` each message begins with its time, RFC 3339 with nine digits and ``Z``, and a space. A
line over 16 KiB is several messages, so it has a time in its middle after each 16 KiB. An unfinished line is
there once its process has ended (Docker's ``daemon/logger/copier.go``).
"""

import re
from datetime import datetime
from typing import Final

import attrs

from actors.container.engine import Logged
from actors.kernel.steps import Steps

MESSAGE: Final = 16 * 1024
_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{9})Z ")


STEP: Final = 250
"""Lines that are read in one step."""


def to_logged(data: bytes) -> Steps[list[Logged]]:
    """Return the lines of a log; what doesn't begin with a time is left out."""
    times = Times()
    *whole, rest = data.split(b"\n")
    found: list[Logged] = []
    for begin in range(0, len(whole), STEP):
        found += [logged for line in whole[begin : begin + STEP] if (logged := _to_line(line, times))]
        yield
    last = _to_line(rest, times)
    if last is not None and len(last.line) % MESSAGE:  # else it goes on
        found.append(last)
    return found


@attrs.define(eq=False)
class Times:
    """Reads times; those of one second at the price of one."""

    _second: bytes = b""
    _seconds: float = 0.0

    def read(self, second: bytes, fraction: bytes) -> float:
        if second != self._second:
            self._second = second
            self._seconds = datetime.fromisoformat(f"{second.decode()}+00:00").timestamp()
        return self._seconds + float(fraction)


def _to_line(data: bytes, times: Times) -> Logged | None:
    stamp = _STAMP.match(data)
    if stamp is None:
        return None
    pieces = []
    at = times.read(stamp[1], stamp[2])
    start = stamp.end()
    while len(data) - start > MESSAGE and (stamp := _STAMP.match(data, start + MESSAGE)):
        pieces.append(data[start : start + MESSAGE])
        start = stamp.end()
    return Logged(at, b"".join([*pieces, data[start:]]))
