"""Keeps the inventory up to date, and adopts what a lost journal left.

The order of an adoption: the ports are leased, the volume is registered, the engine's id is recorded as one
of this journal's, the container is recorded. A daemon that is killed in between has a volume more, and leases
that its next start releases; the adoption can be repeated. The container itself is not touched.
"""

from contextlib import suppress
from typing import Final, get_args

import attrs
import trio

from actors.container import events, messages
from actors.container.fleet import internal_id_of
from actors.container.state import State
from actors.kernel.decider import Rejection
from actors.kernel.mailbox import Receipt
from actors.volumes import messages as volumes
from lightd.journal.inventory import CONTAINER, VOLUME, Inventory
from lightd.system import System

KEPT: Final = (
    events.Adopted,
    events.Installed,
    events.Rebuilt,
    events.Replaced,
    events.Edited,
    events.LimitsRefused,
    events.Deleted,
)
"""The events after which a container's file is written again, or removed."""

CATCH_UP: Final = 2.0
"""Seconds to wait for an actor to show the state after a record."""


@attrs.define(eq=False)
class Keeper:
    """Follows the journal and writes the inventory."""

    _system: System
    _inventory: Inventory
    _names: dict[str, str] = attrs.field(factory=dict)  # of the files, by internal id

    async def run(self) -> None:
        """Write what is different, then what changes, until cancelled. Raises ``OSError``."""
        subscription = self._system.bus.subscribe(self._system.bus.head)
        await self._write_all()
        while True:
            for record in await subscription.next():
                internal_id = internal_id_of(record.stream)
                if internal_id is not None and isinstance(record.event, KEPT):
                    await self._write_container(internal_id, record.position)
                elif isinstance(record.event, get_args(volumes.Event)):
                    await self._write_volume(record.event.volume_id, record.position)

    async def _write_all(self) -> None:
        files = [self._to_file(member.internal_id, member.state) for member in self._system.fleet]
        of_volumes = map(self._inventory.to_volume, self._system.volumes.view.state.volumes.values())
        await trio.to_thread.run_sync(self._inventory.put_all, dict([*filter(None, files), *of_volumes]))
        await trio.to_thread.run_sync(self._remove_old)

    def _remove_old(self) -> None:
        """Remove the files of earlier containers of known ids, and of volumes without a folder."""
        ended, known = self._system.fleet.endings, self._names.copy()
        for found in self._inventory.containers():
            internal_id, name = found.spec.internal_id, f"{CONTAINER}{found.engine_id}"
            if known.get(internal_id, name) != name and internal_id in ended:
                self._inventory.put(name, None)
        for volume in self._inventory.volumes():
            if not self._system.folders.path_of(volume.volume_id).exists():
                self._inventory.put(f"{VOLUME}{volume.volume_id}", None)

    def _to_file(self, internal_id: str, state: State) -> tuple[str, bytes] | None:
        if state.engine_id is None or state.spec is None:
            return None
        name, content = self._inventory.to_container(state.spec, state.attempt, state.engine_id)
        self._names[internal_id] = name
        return name, content

    async def _write_container(self, internal_id: str, position: int) -> None:
        member, before = self._system.fleet.get(internal_id), self._names.pop(internal_id, None)
        file = None
        if member is not None:
            with trio.move_on_after(CATCH_UP):
                await member.wait_until(lambda view: view.position >= position)
            if self._system.fleet.get(internal_id) is member:  # it can be deleted by now
                file = self._to_file(internal_id, member.state)
        if file is not None:
            await trio.to_thread.run_sync(self._inventory.put, *file)
        if before is not None and (file is None or file[0] != before):
            await trio.to_thread.run_sync(self._inventory.put, before, None)

    async def _write_volume(self, volume_id: str, position: int) -> None:
        with trio.move_on_after(CATCH_UP):
            while self._system.volumes.view.position < position:  # noqa: ASYNC110 - the view has no event to wait for
                await trio.sleep(0.01)
        volume = self._system.volumes.view.state.volumes.get(volume_id)
        file = (f"{VOLUME}{volume_id}", None) if volume is None else self._inventory.to_volume(volume)
        await trio.to_thread.run_sync(self._inventory.put, *file)


async def adopt_container(
    system: System, inventory: Inventory, engine_id: str, cause: str
) -> tuple[str, Receipt]:
    """Adopt a container with its volume and its ports; return its internal id.

    Raises ``Rejection`` (``not_adoptable``, ``already_exists``, ``port_in_use``), and as ``Leasing.decide``.
    """
    found = await trio.to_thread.run_sync(inventory.container, engine_id)
    spec = found.spec

    async def decide() -> Receipt:
        snapshot = await system.fleet.engine.inspect(engine_id)
        if snapshot is None:
            raise Rejection("not_adoptable", f"Docker has no container {engine_id[:12]}")
        if spec.volume_id not in system.volumes.view.state.volumes:
            await adopt_volume(system, inventory, spec.volume_id, None, cause)
        await system.claim(engine_id)
        return await system.fleet.adopt(messages.Adopt(spec, found.attempt, snapshot), cause)

    return spec.internal_id, await system.adopt_container(spec, cause, decide)


async def adopt_volume(
    system: System, inventory: Inventory, volume_id: str, size: int | None, cause: str
) -> None:
    """Register a volume whose folder exists, with its content, its size and its user, as far as known.

    ``size`` in megabytes replaces the known one. Raises ``Rejection`` (``already_exists``,
    ``not_adoptable``), ``NotFound`` if there is no folder, and as ``Ref.ask``.
    """
    found = await trio.to_thread.run_sync(inventory.volume, volume_id)
    if volume_id in system.volumes.view.state.volumes:
        raise Rejection("already_exists", f"volume {volume_id} exists already")
    quota_mb = size if size is not None or found is None else found.quota_mb
    at, uid = (system.clock(), None) if found is None else (found.created_at, found.uid)
    await system.quotas.adopt(volume_id, quota_mb)
    await system.volumes.ref.ask(volumes.Adopt(volume_id, quota_mb, at, uid), cause)


def to_reserved(inventory: Inventory) -> frozenset[int]:
    """Return the users of all volumes in the inventory: no other volume may get one of them. Blocks."""
    with suppress(OSError):
        return frozenset(volume.uid for volume in inventory.volumes() if volume.uid is not None)
    return frozenset()
