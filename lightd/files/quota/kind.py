"""The Protocol of what holds volumes to their sizes; the docstrings are the contract.

``tests/contracts/quota_checks.py`` checks every kind against it. Everything here blocks: call it in a worker
thread. Every call may be repeated, and repairs what a crash within an earlier one left. Paths are the
host's, and the daemon's own: a tenant owns what is in a volume, never the name of its folder.
"""

from typing import Final, Protocol

from lightd.files.deleting import Pace

MEGABYTE: Final = 1 << 20
"""Sizes of volumes are told in units of so many bytes."""

TRIAL: Final = ".lightd-trial-"
"""How the names of folders begin in which a kind is tried out; those are nobody's."""


class Unsupported(Exception):  # noqa: N818 - names what was found
    """A kind of quota can't be had here; ``str()`` says why, to the operator."""


class Kind(Protocol):
    """One way to hold volumes to their sizes."""

    @property
    def name(self) -> str:
        """What clients and operators see."""

    @property
    def enforced(self) -> bool:
        """Whether the kernel refuses what is over the size, whatever the owner of the files does."""

    def make(self, path: str, size_mb: int | None, /) -> None:
        """``path`` is an empty folder of root's with that ceiling; none where it is None.

        Raises ``FileExistsError``, ``OSError``.
        """

    def holds(self, path: str, /) -> bool:
        """Whether the folder was made by this kind; raises ``FileNotFoundError``."""

    def limit(self, path: str, size_mb: int | None, /) -> None:
        """The volume has that ceiling, none where it is None; what it holds may be over it already."""

    def usage(self, path: str, pace: Pace, /) -> int:
        """The bytes that count against the ceiling; what ``pace`` raises ends a long look.

        What was deleted since the last ``settle`` may still be counted for a while.
        """

    def settle(self, path: str, /) -> None:
        """All that was written and deleted in the volume so far is counted as it should be, or soon is."""

    def forget(self) -> None:
        """Nothing is remembered of volumes whose folders are gone."""
