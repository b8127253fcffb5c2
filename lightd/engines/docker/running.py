"""Which running containers use a volume, as far as Docker was asked about them."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import attrs

from lightd.engines.docker import recipe, translate
from lightd.engines.host import cgroups


@attrs.define(eq=False)
class Running:
    """The volume and the first process of each container that was running when it was inspected."""

    _found: dict[str, tuple[str, int]] = attrs.field(factory=dict)

    def learn(self, inspected: Mapping[str, Any]) -> None:
        """Remember a running container."""
        volume_id = PurePath(translate.to_source(inspected, recipe.HOME) or "").name
        self._found[inspected["Id"]] = volume_id, inspected["State"]["Pid"]

    def forget(self, engine_id: str) -> None:
        """The container does not run any more, or was removed."""
        self._found.pop(engine_id, None)

    def threads(self, volume_id: str) -> list[int]:
        """See ``Engine.threads``. The kernel knows whether a container still runs."""
        return [
            thread
            for engine_id, (used, pid) in tuple(self._found.items())
            if used == volume_id
            for thread in cgroups.read_threads(engine_id, pid)
        ]
