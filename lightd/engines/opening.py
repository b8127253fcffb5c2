"""Opens the engine that the configuration names: an entry for each of ``lightd.config.engines``."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from actors.container.engine import Engine
from lightd.config.sections import Configuration
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker.engine import open_docker_engine
from lightd.engines.docker.policy import Policy

logger = logging.getLogger(__name__)

OpenEngine = Callable[[Configuration, ContainerNetworks, Policy], AbstractAsyncContextManager[Engine]]


def open_engine(
    config: Configuration, networks: ContainerNetworks, policy: Policy
) -> AbstractAsyncContextManager[Engine]:
    """Return the context of the engine that ``config`` names; the engine need not answer yet."""
    return OPENERS[config.docker.engine](config, networks, policy)


def _open_docker(
    config: Configuration, networks: ContainerNetworks, policy: Policy
) -> AbstractAsyncContextManager[Engine]:
    if os.geteuid() != 0:
        logger.warning(
            "not running as root: every server runs as %s (the default docker.user is ignored)",
            config.docker.user,
        )
    return open_docker_engine(
        str(config.docker.socket_path), **_to_place(config), inside=networks, policy=policy
    )


def _open_process(
    config: Configuration, _networks: ContainerNetworks, _policy: Policy
) -> AbstractAsyncContextManager[Engine]:
    from lightd.engines.process.host import open_process_engine  # noqa: PLC0415 - few nodes have it

    return open_process_engine(state_path=config.storage.base_path / "processes", **_to_place(config))


def _to_place(config: Configuration) -> dict[str, str]:
    return {
        "node": config.node,
        "containers_path": str(config.storage.containers_path),
        "volumes_path": str(config.storage.volumes_path),
    }


OPENERS: Final[Mapping[str, OpenEngine]] = {"docker": _open_docker, "process": _open_process}
