"""The Protocol of the log that outlives a console's memory; the docstrings are the contract.

``tests/contracts/console_log_checks.py`` checks every implementation against it. Lines are numbered as the
console numbers them; where numbers are left out, lines are missing. A ``life`` names one life of a process,
in one container of the engine.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import attrs

TAIL = 500
"""Lines of a ``Tail`` at most."""


class Numbered(NamedTuple):
    """A line, its number, and when it was printed (Unix seconds), None if that is not known."""

    number: int
    text: str
    at: float | None = None


class LogUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The log can't be read or written now."""


@attrs.frozen
class Entry:
    """Consecutive lines of one life; ``missed`` were lost before them. ``read_at``: all were read by then.

    ``times`` are when the lines were printed, if that is known; ``unfinished`` is the line after them.
    """

    internal_id: str
    life: str
    read_at: float
    first: int
    lines: Sequence[str]
    missed: int = 0
    times: Sequence[float | None] = ()
    unfinished: str = ""

    @property
    def last(self) -> int:
        """The number of the last line; ``first - 1`` where there is none."""
        return self.first + len(self.lines) - 1

    def after(self, last: int) -> "Entry | None":
        """Return what is new to a log whose last line is number ``last``, None where nothing is."""
        known = last - self.first + 1
        if known <= 0:
            return self
        if known >= len(self.lines):
            return None
        return attrs.evolve(
            self, first=last + 1, lines=self.lines[known:], missed=0, times=self.times[known:]
        )


@attrs.frozen
class Installing:
    """The installer of ``attempt`` that runs: its lines are those after number ``after``."""

    attempt: int
    after: int
    began_at: float


@attrs.frozen
class InstallLog:
    """What the installer of one ``attempt`` printed: its newest lines, and those ``left_out`` before them.

    ``code`` is its exit code; None if it did not end by itself, or has not ended yet. ``error`` says why
    lightd ended it, empty if it did not. The times are in Unix seconds, None if they are not known.
    """

    attempt: int
    lines: Sequence[Numbered]
    left_out: int = 0
    began_at: float | None = None
    ended_at: float | None = None
    code: int | None = None
    error: str = ""


@attrs.frozen
class Tail:
    """The end of a log: its newest lines without a hole, of which the last has the number ``last``.

    Those over number ``begins`` were printed in ``life``, and read by ``read_at``. ``times`` are when the
    lines were printed, if that is known. ``unfinished`` is the line of that life that was printed after them.
    """

    last: int = 0
    lines: Sequence[str] = ()
    life: str = ""
    begins: int = 0
    read_at: float | None = None
    times: Sequence[float | None] = ()
    unfinished: str = ""


class ConsoleLog(Protocol):
    """The consoles of all containers, each a bounded amount, the newest."""

    async def restore(self, internal_id: str) -> Tail:
        """Return the end of a log; an empty one where there is none. Raises ``LogUnavailable``."""

    async def append(self, entries: Sequence[Entry]) -> Mapping[str, str]:
        """Have ``entries`` survive the end of this process, in their order; return whose didn't, and why.

        What didn't may be appended again, and what did too: lines that are there are left out. A half of an
        entry is never seen.
        """

    async def read(self, internal_id: str, before: int, limit: int) -> Sequence[Numbered]:
        """Return the last lines with numbers below ``before``, at most ``limit``.

        Raises ``LogUnavailable``.
        """

    async def keep_installation(self, internal_id: str, log: InstallLog) -> None:
        """Have ``log`` survive the end of this process, in place of an earlier one of this container.

        Raises ``LogUnavailable``; then the earlier one is still there.
        """

    async def installation(self, internal_id: str) -> InstallLog | None:
        """Return the log of the last installation, None if there is none. Raises ``LogUnavailable``."""

    async def remove(self, internal_id: str) -> None:
        """Forget a log, and that of the installation; nothing where there is none.

        Raises ``LogUnavailable``.
        """

    async def sweep(self, keep: Collection[str]) -> None:
        """Forget every log but those of ``keep``. Raises ``LogUnavailable``."""


def to_time(at: float) -> float:
    """Return a time as lines have it, in whole milliseconds."""
    return round(at, 3)


def to_unbroken(lines: Sequence[Numbered]) -> Sequence[Numbered]:
    """Return the end of ``lines`` in which no number is missing."""
    start = len(lines) - 1
    while start > 0 and lines[start - 1].number == lines[start].number - 1:
        start -= 1
    return lines[max(start, 0) :]
