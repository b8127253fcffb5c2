"""What the configuration says of containers, and the journal of their ownership, for the engine."""

from pathlib import Path

import attrs

from lightd.config.sections import Docker
from lightd.engines.host.timezone import find_timezone


@attrs.define(eq=False)
class Policy:
    """What holds now: a reload of the configuration changes it in place.

    ``allowed_mounts`` are the folders of the host that containers may see. ``read_only`` is whether a server
    may write outside of its volume where its spec doesn't say so, ``tmp_mb`` the size of its ``/tmp`` then.
    ``network_mtu`` is the MTU of lightd's network in bytes, 0 for that of the host's uplink. ``registries``
    is the file with credentials of registries. ``restore``: servers that ended with the engine or the host
    are started again.

    ``timezone`` is that of the host, for the servers of eggs.

    ``journal_id`` is the id of the daemon's journal, which its containers carry in a label; ``adopted`` has
    the engine ids of containers that carry another one, ``earlier`` the ids of journals that the daemon lost.
    """

    allowed_mounts: tuple[Path, ...] = ()
    read_only: bool = True
    tmp_mb: int = 100
    network_mtu: int = 0
    registries: Path | None = None
    restore: bool = True
    timezone: str = attrs.field(factory=find_timezone)
    journal_id: str = ""
    adopted: set[str] = attrs.field(factory=set)
    earlier: frozenset[str] = frozenset()

    def take_on(self, docker: Docker) -> None:
        """Be what that part of the configuration says."""
        self.allowed_mounts = docker.allowed_mounts
        self.read_only = docker.read_only
        self.tmp_mb = docker.tmp_mb
        self.network_mtu = docker.network_mtu
        self.registries = docker.registries
        self.restore = docker.restore
