"""What the daemon manages, in files beside the journal: from them, a lost journal's servers can be adopted.

1. A file for each container, with its spec and the engine's id of it, and one for each volume, with its size
   and its user. They are written after the journal, and only read when something is adopted.
2. The folder is the daemon's own (mode 0700) and in no container: nothing in it comes from a tenant. Each
   daemon has one, so another daemon on the same engine cannot adopt what is in it.
3. A file for each journal that this folder has had: its containers are neither another daemon's nor known.
4. The file of something that the journal does not know is kept: the journal may be an older copy.

Everything here blocks: call it in a worker thread.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from actors.container.events import Adopted
from actors.container.spec import ContainerSpec
from actors.kernel.decider import Rejection
from actors.kernel.journal import CorruptStream
from actors.volumes.decider import Volume
from lightd.journal.codec import Codec

FOLDER: Final = "inventory"
CONTAINER, VOLUME, JOURNAL = "container-", "volume-", "journal-"
_UNFINISHED: Final = ".new"


@attrs.define(eq=False)
class Inventory:
    """The files of one daemon; ``earlier`` has the ids of the journals that its folder had before."""

    folder: Path
    journal_id: str
    earlier: frozenset[str]
    _codec: Codec = attrs.field(factory=Codec)

    def to_container(self, spec: ContainerSpec, attempt: int, engine_id: str) -> tuple[str, bytes]:
        """Return the name and the content of a container's file."""
        kind, schema, event = self._codec.encode(Adopted(attempt, engine_id, None, spec))
        head = json.dumps({"journal": self.journal_id, "kind": kind, "schema": schema})
        return f"{CONTAINER}{engine_id}", head.encode() + b"\n" + event

    def to_volume(self, volume: Volume) -> tuple[str, bytes]:
        """Return the name and the content of a volume's file."""
        fields = {"journal": self.journal_id, **attrs.asdict(volume)}
        return f"{VOLUME}{volume.volume_id}", json.dumps(fields).encode()

    def put(self, name: str, content: bytes | None) -> None:
        """Write the file as a whole, if it is different; None removes it. Raises ``OSError``."""
        path = self.folder / name
        if content is None:
            path.unlink(missing_ok=True)
        elif self._read(name) != content:
            unfinished = self.folder / f"{name}{_UNFINISHED}"
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            unfinished.replace(path)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Write all ``files``. Raises ``OSError``."""
        for name, content in files.items():
            self.put(name, content)

    def containers(self) -> Iterator[Adopted]:
        """Iterate over the containers in readable files."""
        for name in self._names(CONTAINER):
            with suppress(Rejection):
                yield self.container(name)

    def container(self, engine_id: str) -> Adopted:
        """Return a container as its file says; raises ``Rejection`` (``not_adoptable``)."""
        head, _, event = (self._read(f"{CONTAINER}{engine_id}") or b"").partition(b"\n")
        try:
            fields = json.loads(head)
            found = self._codec.decode(fields["kind"], fields["schema"], event)
        except (CorruptStream, LookupError, TypeError, ValueError):
            found = None
        if isinstance(found, Adopted) and found.engine_id == engine_id:
            return found
        raise Rejection(
            "not_adoptable",
            f"the specification of container {engine_id[:12]} is not in the inventory of this daemon: another"
            " daemon made it, or a version without an inventory. Remove it (the volume is kept), adopt the"
            " volume, and create it again",
        )

    def volumes(self) -> Iterator[Volume]:
        """Iterate over the volumes in readable files."""
        for name in self._names(VOLUME):
            if volume := self.volume(name):
                yield volume

    def volume(self, volume_id: str) -> Volume | None:
        """Return a volume as its file says, None if there is no readable one."""
        try:
            fields: dict[str, Any] = json.loads(self._read(f"{VOLUME}{volume_id}") or b"")
            del fields["journal"]
            return Volume(**fields)
        except (LookupError, TypeError, ValueError):
            return None

    def _names(self, prefix: str) -> list[str]:
        names = sorted(path.name for path in self.folder.iterdir())
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix) and "." not in name]

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None


def open_inventory(base_path: Path, journal_id: str) -> Inventory:
    """Return the inventory of the daemon's folder, which from now on has this journal. Raises ``OSError``."""
    folder = base_path / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    found = Inventory(folder, journal_id, frozenset())
    had = frozenset(found._names(JOURNAL))  # noqa: SLF001 - a part of this module
    found.put(f"{JOURNAL}{journal_id}", b"")
    return attrs.evolve(found, earlier=had - {journal_id})
