"""The engines that ``docker.engine`` can name, and how they differ for the rest of lightd.

A new engine is one entry here, one in ``lightd.engines.opening`` (how it is opened), and its own package.
"""

from collections.abc import Mapping
from typing import Final

import attrs


@attrs.frozen
class EngineKind:
    """What an engine provides.

    ``isolated``: a server runs in a container with its own users and mounts. Otherwise it is a process of
    this host: it reaches its files by their paths on the host, and can do everything that its user can.
    """

    isolated: bool


ENGINES: Final[Mapping[str, EngineKind]] = {
    "docker": EngineKind(isolated=True),
    "process": EngineKind(isolated=False),
}
