"""How a container is started: what it mounts is looked at before, and compared with what it sees after.

Docker resolves the names of mounts at each start, so what was looked at can be swapped in between. A
container that sees anything else is killed at once; its start is refused either way
(``lightd.engines.host.mounts``).

The files in which Docker looks up the user are checked if an earlier run could replace them
(``user_files``).

A container whose network was removed is connected to the new one and started again (``network``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import trio

from actors.container.engine import EngineRefused, Missing
from lightd.engines.docker import recipe, translate
from lightd.engines.docker.containers import CONFLICT, NOT_FOUND, Containers, refusals
from lightd.engines.docker.network import Network, is_connected, is_removed
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.translate import Refused
from lightd.engines.docker.user_files import UserFiles
from lightd.engines.host import folder, mounts

Given = Sequence[tuple[str, str]]
"""Mounts that were asked for: the host's path, and the container's."""


@attrs.define(eq=False)
class Starter:
    """Starts containers."""

    _layout: recipe.Layout
    _containers: Containers
    _network: Network
    _policy: Policy
    _files: UserFiles

    async def start(self, engine_id: str) -> Mapping[str, str]:
        """See ``Engine.start``; returns the container's labels."""
        found = await self._containers.find_again(engine_id)
        await trio.to_thread.run_sync(folder.check_there, translate.to_source(found, recipe.HOME))
        seen = await look_at_mounts(self._to_given(found), self._policy)
        if not found["State"]["Running"]:
            if _ran_with_writable_root(found):
                await self._files.check(engine_id)
            if not is_connected(found):
                await self._network.reconnect(engine_id)
        with trio.CancelScope(shield=bool(seen)):
            await self._start(engine_id)
            if seen:
                await self._check_shown(engine_id, seen)
        return found["Config"]["Labels"] or {}

    async def _start(self, engine_id: str, *, reconnected: bool = False) -> None:
        try:
            await self._containers.change("POST", translate.to_container_path(engine_id, "start"))
        except Refused as no:
            if is_removed(no) and not reconnected:
                await self._network.reconnect(engine_id)
                await self._start(engine_id, reconnected=True)
                return
            if no.status == NOT_FOUND and "No such container" in no.message:
                raise Missing(engine_id) from None
            if no.status == CONFLICT and "marked for removal" in no.message:
                raise Missing(engine_id) from None
            raise EngineRefused(translate.to_refusal(no.message)) from None

    def _to_given(self, found: Mapping[str, Any]) -> Given:
        """The mounts of an inspected container but those that every container has."""
        own = self._layout.folder((found["Config"]["Labels"] or {}).get(translate.INTERNAL_ID, ""))
        lightds = (own, translate.to_source(found, recipe.HOME))
        return [
            (mount["Source"], mount["Target"])
            for mount in found["HostConfig"].get("Mounts") or ()
            if mount["Type"] == "bind"
            and mount["Source"] not in lightds
            and not mount["Source"].startswith(f"{own}/")
        ]

    async def _check_shown(self, engine_id: str, seen: Iterable[mounts.Seen]) -> None:
        state = (await self._containers.find(engine_id))["State"]
        if not state["Running"]:
            return
        try:
            await trio.to_thread.run_sync(mounts.check_shown, state["Pid"], seen)
        except mounts.MountRefused as refused:
            reason = str(refused)
        except OSError:
            if not (await self._containers.find(engine_id))["State"]["Running"]:
                return
            reason = "mount: what Docker mounted cannot be seen from where lightd runs"
        else:
            return
        with refusals(NOT_FOUND, CONFLICT):
            await self._containers.change(
                "POST", translate.to_container_path(engine_id, "kill"), signal="SIGKILL"
            )
        raise EngineRefused(f"{reason}: the container was killed")


def _ran_with_writable_root(found: Mapping[str, Any]) -> bool:
    """Whether an earlier run of an inspected container could replace files of its image."""
    return (
        not found["HostConfig"].get("ReadonlyRootfs") and translate.to_snapshot(found).started_at is not None
    )


async def look_at_mounts(given: Given, policy: Policy) -> Sequence[mounts.Seen]:
    """What the host's paths are now; raises ``EngineRefused`` where one may not be shown."""
    if not given:
        return ()

    def look() -> Sequence[mounts.Seen]:
        return [mounts.look(source, target, policy.allowed_mounts) for source, target in given]

    try:
        return await trio.to_thread.run_sync(look)
    except mounts.MountRefused as refused:
        raise EngineRefused(str(refused)) from None
