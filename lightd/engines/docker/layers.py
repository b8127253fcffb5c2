"""What containers with a writable root file system may write outside of their volumes.

An installer needs such a file system (packages are installed into it), and so does a server that was allowed
to have one. Docker bounds neither what it writes there nor the files that Docker itself mounts
(``/etc/hosts``, ``/etc/hostname``, ``/etc/resolv.conf``), and all of it is on the host's disk. So lightd
measures both while the container runs, and kills it beyond what its label says.

With root's rights the upper folder of overlayfs is walked, at most ``MOST_FILES`` names of it; elsewhere
Docker is asked, which takes longer. Files that were deleted and are still used are added
(``lightd.files.unlinked``). Each container is measured again after a pause of ``PAUSES`` times as long as
that took, and of a second at least, so it may have written more by the time it is killed. One that takes
long to measure does not delay the next measurement of another.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker import calls, translate
from lightd.engines.docker.translate import Refused
from lightd.engines.host import cgroups
from lightd.files.errors import FileRefused
from lightd.files.jail import FOLDER, held
from lightd.files.unlinked import exhaust, survey_unlinked

logger = logging.getLogger("lightd.engines.docker")

SHORTEST: Final = 1.0
BETWEEN: Final = 0.25  # seconds between two checks of what is due
PAUSES: Final = 10
MEGABYTE: Final = 1024**2
MOST_FILES: Final = 200_000
"""Names outside of the volume. More are as many as too many bytes: they take the host's inodes."""

DEEPEST: Final = 200
BEYOND: Final = 1 << 62
"""More bytes than any bound."""


@attrs.define(eq=False)
class Layer:
    """Where a container writes: the host's folder, None where it can't be read; files beside; its bound.

    ``due`` is when it is measured next, on Trio's clock.
    """

    upper: str | None
    files: Sequence[str]
    bound_mb: int
    due: float = 0.0


@attrs.define(eq=False)
class Layers:
    """Watches what it was told of; ``overgrown`` has the engine ids of those that were killed."""

    _calls: calls.Calls
    _watched: dict[str, Layer] = attrs.field(factory=dict)
    _more: trio.Event = attrs.field(factory=trio.Event)
    overgrown: dict[str, str] = attrs.field(factory=dict)

    def watch(self, inspected: Mapping[str, Any]) -> None:
        """Have a look at this container while it runs, where its label bounds it."""
        bound = (inspected["Config"]["Labels"] or {}).get(translate.BOUND, "")
        if not bound.isdecimal() or inspected["Id"] in self._watched:
            return
        data = (inspected.get("GraphDriver") or {}).get("Data") or {}
        upper = data.get("UpperDir") if os.geteuid() == 0 else None
        files = [inspected.get(key) or "" for key in ("HostsPath", "HostnamePath", "ResolvConfPath")]
        self.overgrown.pop(inspected["Id"], None)
        self._watched[inspected["Id"]] = Layer(upper, files, int(bound))
        self._more.set()

    def forget(self, engine_id: str) -> None:
        """The container is gone."""
        self._watched.pop(engine_id, None)
        self.overgrown.pop(engine_id, None)

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            if not self._watched:
                self._more = trio.Event()
                await self._more.wait()
            for engine_id, layer in list(self._watched.items()):
                began = trio.current_time()
                if began < layer.due:
                    continue
                try:
                    await self._look(engine_id, layer)
                except EngineUnavailable:
                    break
                ended = trio.current_time()
                layer.due = ended + max(SHORTEST, PAUSES * (ended - began))
            await trio.sleep(BETWEEN)

    async def _look(self, engine_id: str, layer: Layer) -> None:
        try:
            found = await self._calls.get(translate.to_container_path(engine_id, "json"))
            if not found["State"]["Running"]:
                self._watched.pop(engine_id, None)
                return
            used = await self._measure(engine_id, layer)
            used += await trio.to_thread.run_sync(measure_unlinked, engine_id, found["State"]["Pid"])
            if used <= layer.bound_mb * MEGABYTE:
                return
            self.overgrown[engine_id] = (
                f"the container was killed: it wrote more than {layer.bound_mb} MB or {MOST_FILES} files"
                " outside of its volume"
            )
            logger.warning("container %s: %s", found["Name"].lstrip("/"), self.overgrown[engine_id])
            await self._calls.change("POST", translate.to_container_path(engine_id, "kill"), signal="SIGKILL")
        except Refused:
            self._watched.pop(engine_id, None)  # it ended or went meanwhile

    async def _measure(self, engine_id: str, layer: Layer) -> int:
        if layer.upper is not None:
            with suppress(OSError):
                return await trio.to_thread.run_sync(measure, layer.upper, layer.files)
        found = await self._calls.get(translate.to_container_path(engine_id, "json"), size="1")
        return int(found.get("SizeRw") or 0)


def measure(upper: str, files: Sequence[str]) -> int:
    """The bytes that a folder and ``files`` take; more than any bound where there are ``MOST_FILES`` names.

    Raises ``OSError`` where the folder can't be read. What goes while we look isn't counted.
    """
    total = 0
    for path in files:
        with suppress(OSError):
            total += os.lstat(path).st_blocks * 512
    with held(os.open(upper, FOLDER)) as folder:
        return total + _Walk().measure(folder, 0)


def measure_unlinked(engine_id: str, pid: int) -> int:
    """The bytes of files without a name in a running container's root file system; ``pid`` is its process.

    They are more than any bound if they are too many to be counted.
    """
    try:
        steps = survey_unlinked(f"/proc/{pid}/root", partial(cgroups.read_threads, engine_id, pid))
        return exhaust(steps).bytes
    except FileRefused:
        return BEYOND
    except OSError:
        return 0  # it has ended, or lightd is not root


@attrs.define
class _Walk:
    names: int = 0

    def measure(self, folder: int, depth: int) -> int:
        total = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                self.names += 1
                if self.names > MOST_FILES or depth > DEEPEST:
                    return BEYOND
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        with held(os.open(entry.name, FOLDER, dir_fd=folder)) as inner:
                            total += self.measure(inner, depth + 1)
        return total
