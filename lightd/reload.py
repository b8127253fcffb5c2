"""A new configuration for a daemon that runs: what of it can be had at once, and what needs a restart.

1. The file is taken whole or not at all, as at the start: one mistake, and all stays as it is.
2. A key that isn't in ``LIVE`` keeps its running value, and is named until the daemon is started anew.
3. Whoever needs a setting reads it from ``System.config`` when it needs it; who has to act on a change waits
   for ``System.reloaded``.
"""

from typing import Any

import attrs
import trio

from lightd import config_file
from lightd.config import Configuration, ConfigurationError
from lightd.config_rules import is_loopback
from lightd.files.jail import Owner
from lightd.http.identity import MASTER
from lightd.system import System

LIVE = frozenset(
    {
        "version",
        "authorization.enabled",
        "authorization.token",
        "docker.allowed_mounts",
        "docker.user",
        "monitoring.enabled",
        "monitoring.interval_ms",
        "remote.enabled",
        "remote.url",
        "remote.token",
        "remote.sync_config",
        "remote.catch_up",
    }
)
"""The keys that a running daemon takes on. All others, those to come too, need a restart."""

Keys = tuple[str, ...]


@attrs.frozen
class Reloaded:
    """What became of a file: the configuration that runs now, and the keys that differed."""

    running: Configuration
    applied: Keys
    restart_required: Keys


def merge(running: Configuration, file: Configuration) -> Reloaded:
    """Return ``running`` with all of ``file`` that can be had without a restart. Pure."""
    before, after = _to_keys(running), _to_keys(file)
    differing = [key for key in after if before[key] != after[key]]
    applied = [key for key in differing if _can_change(key, running, file)]
    merged = running
    for key in applied:
        merged = _with(merged, key, after[key])
    return Reloaded(merged, tuple(applied), tuple(key for key in differing if key not in applied))


def _can_change(key: str, running: Configuration, file: Configuration) -> bool:
    if key == "authorization.enabled" and not file.authorization.enabled:
        return is_loopback(running.server.host)  # it listens where it listened, whatever the file says now
    return key in LIVE


def _to_keys(configuration: Configuration) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in attrs.asdict(configuration, recurse=False).items():
        if attrs.has(type(value)):
            section = attrs.asdict(value, recurse=False)
            found.update({f"{name}.{key}": held for key, held in section.items()})
        else:
            found[name] = value
    return found


def _with(configuration: Configuration, key: str, value: object) -> Configuration:
    section, _, name = key.rpartition(".")
    changes: dict[str, Any] = {name: value}
    if section:
        changes = {section: attrs.evolve(getattr(configuration, section), **changes)}
    return attrs.evolve(configuration, **changes)


async def reload(system: System) -> Reloaded:
    """Have ``system`` take on what its file says; raises ``ConfigurationError`` where it can't be used."""
    if system.path is None:
        raise ConfigurationError("this daemon was started without a configuration file")
    async with system.reloading:
        file = await trio.to_thread.run_sync(config_file.load, system.path)
        reloaded = merge(system.config, file)
        _take_on(system, reloaded.running)
        return reloaded


def _take_on(system: System, running: Configuration) -> None:
    before, system.config = system.config, running
    system.quotas.owner = Owner(running.docker.user.uid, running.docker.user.gid)
    if before.authorization != running.authorization:
        system.sockets.revoke(MASTER)
    system.reloaded.notify()
