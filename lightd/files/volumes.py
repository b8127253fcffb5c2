"""Where the volumes' folders are, and the jailed way into each."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from lightd.files.jail import Jail, Owner, open_jail

T = TypeVar("T")

AT_ONCE = 8


@attrs.define(eq=False)
class VolumeFolders:
    """The folder of each volume beneath ``root``. Work on them is done in threads, ``AT_ONCE`` at a time."""

    root: Path
    owner: Owner
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))

    def path_of(self, volume_id: str) -> Path:
        """Return the host's path of a volume; ``volume_id`` is a checked UUID."""
        return self.root / volume_id

    async def make(self, volume_id: str) -> None:
        """Make the volume's folder, its owner's alone; raises ``OSError``."""

        def make() -> None:
            path = self.path_of(volume_id)
            path.mkdir(mode=0o755)
            if os.geteuid() == 0:
                os.chown(path, self.owner.uid, self.owner.gid, follow_symlinks=False)

        await trio.to_thread.run_sync(make, limiter=self._limiter)

    async def discard(self, volume_id: str) -> None:
        """Remove the folder of a volume that never came to be: it is empty. Raises ``OSError``."""
        await trio.to_thread.run_sync(self.path_of(volume_id).rmdir, limiter=self._limiter)

    async def run(self, volume_id: str, work: Callable[[Jail], T]) -> T:
        """Return ``work(jail)`` from a thread, in the jail of the volume; raises ``FileRefused``."""

        def in_jail() -> T:
            with open_jail(self.path_of(volume_id)) as jail:
                return work(jail)

        return await trio.to_thread.run_sync(in_jail, limiter=self._limiter)
