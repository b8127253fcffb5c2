"""The Protocol of the ways to enforce volume sizes; the docstrings are the contract.

``tests/contracts/quota_checks.py`` checks every kind against it. Everything here blocks: call it in a worker
thread. Every call can be repeated, and repairs the result of a crash within an earlier one. Paths are paths
of the host that only the daemon creates: a tenant controls what is in a volume, but not the name of its
folder.
"""

from typing import Final, Protocol

from lightd.files.deleting import Pace

MEGABYTE: Final = 1 << 20
"""The unit of volume sizes, in bytes."""

TRIAL: Final = ".lightd-trial-"
"""The prefix of folders in which a kind is tested."""


class Unsupported(Exception):  # noqa: N818 - a finding, not an error
    """A kind of quota is not available here; the message says why, for the operator."""


class Kind(Protocol):
    """One way to enforce volume sizes."""

    @property
    def name(self) -> str:
        """The name for clients and operators."""

    @property
    def enforced(self) -> bool:
        """Whether the kernel enforces the size, whatever the owner of the files does."""

    def make(self, path: str, size_mb: int | None, /) -> None:
        """Create ``path`` as an empty folder of root with that limit, or without one for None.

        Raises ``FileExistsError``, ``OSError``.
        """

    def holds(self, path: str, /) -> bool:
        """Whether the folder was made by this kind; raises ``FileNotFoundError``."""

    def limit(self, path: str, size_mb: int | None, /) -> None:
        """Set the limit of the volume, or remove it for None. The volume may contain more than the limit."""

    def usage(self, path: str, pace: Pace, /) -> int:
        """The bytes that count towards the limit; if ``pace`` raises, a long measurement ends.

        What was deleted since the last ``settle`` can still be counted for a while.
        """

    def settle(self, path: str, /) -> None:
        """Make the usage include everything that was written and deleted so far, now or soon."""

    def forget(self) -> None:
        """Remove stored data about volumes whose folders are gone."""
