"""Opens the process engine on this host and logs what it does not provide."""

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from lightd.engines.docker.recipe import Layout
from lightd.engines.host.timezone import find_timezone
from lightd.engines.process import container, groups, plan, starting
from lightd.engines.process.engine import ProcessEngine
from lightd.files.jail import Owner

HARD_LINKS: Final = Path("/proc/sys/fs/protected_hardlinks")

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_process_engine(
    *,
    node: str,
    state_path: Path,
    containers_path: str,
    volumes_path: str,
    path: str = plan.PATH,
    supervisor: Sequence[str] = starting.COMMAND,
) -> AsyncIterator[ProcessEngine]:
    """Open the engine with the containers in ``state_path``; running programs keep running when it is closed.

    All paths are absolute. ``path`` is the ``PATH`` of programs, ``supervisor`` the command that starts a
    supervisor.
    """
    own = None if os.geteuid() == 0 else Owner(os.geteuid(), os.getegid())
    place = plan.Place(Layout(node, containers_path, volumes_path), path, own, find_timezone())
    os.makedirs(state_path, mode=0o700, exist_ok=True)
    found = await trio.to_thread.run_sync(container.load, state_path)
    may = await trio.to_thread.run_sync(groups.find, node)
    _warn(may, own)
    async with trio.open_nursery() as nursery:
        known = {each.engine_id: each for each in found}
        engine = ProcessEngine(nursery, state_path, place, may, supervisor, known)
        for each in found:
            nursery.start_soon(engine.follow, each)
        try:
            yield engine
        finally:
            nursery.cancel_scope.cancel()
            may.leave()


def _warn(may: groups.Groups, own: Owner | None) -> None:
    """Log what this engine does not provide."""
    logger.warning(
        'docker.engine is "process": programs run on this host without isolation,'
        " without images, mounts or a network of their own"
    )
    if missing := sorted(groups.NEEDED - may.held):
        logger.warning("cannot create cgroups: limits of %s are not enforced", ", ".join(missing))
    if own is None and _read(HARD_LINKS) == "0":
        logger.warning("fs.protected_hardlinks is 0: a program can get access to files of other users")
    if own is not None:
        logger.warning("not running as root: every program runs as %d:%d, like lightd", own.uid, own.gid)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
