"""Reloads the configuration of a running daemon: some keys apply immediately, others need a restart.

1. The file is accepted as a whole or not at all, as at the start: with one mistake, nothing changes.
2. A key that is not in ``LIVE`` keeps its running value and is reported until the daemon is restarted.
3. Code that needs a setting reads it from ``System.config`` each time; code that must react to a change waits
   for ``System.reloaded``.
"""

from typing import Any

import attrs
import trio

from actors.tokens.grant import MASTER
from lightd import certificate
from lightd.config import file as config_file
from lightd.config.rules import User, Users, is_loopback
from lightd.config.sections import Configuration, ConfigurationError
from lightd.files.jail import Owner
from lightd.system import System

LIVE = frozenset(
    {
        "version",
        "server.tls.cert",
        "server.tls.key",
        "server.allowed_origins",
        "authorization.enabled",
        "authorization.token",
        "docker.allowed_mounts",
        "docker.user",
        "docker.user_range",
        "docker.read_only",
        "docker.tmp_mb",
        "docker.allow_writable_root",
        "monitoring.enabled",
        "monitoring.interval_ms",
        "remote.enabled",
        "remote.url",
        "remote.token",
        "remote.sync_config",
        "remote.catch_up",
        "audit.keep_days",
        "audit.keep_entries",
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
    if key.startswith("server.tls.") and None in (running.server.tls.cert, file.server.tls.cert):
        return False  # it speaks https or http for as long as it listens
    return key in LIVE


def _to_keys(section: attrs.AttrsInstance) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in attrs.asdict(section, recurse=False).items():
        if attrs.has(type(value)) and not isinstance(value, User | Users):
            found.update({f"{name}.{key}": held for key, held in _to_keys(value).items()})
        else:
            found[name] = value
    return found


def _with(section: Any, key: str, value: object) -> Any:  # noqa: ANN401 - of whatever class, it is returned anew
    name, _, rest = key.partition(".")
    return attrs.evolve(section, **{name: _with(getattr(section, name), rest, value) if rest else value})


async def reload(system: System) -> Reloaded:
    """Have ``system`` take on what its file says; raises ``ConfigurationError`` where it can't be used."""
    if system.path is None:
        raise ConfigurationError("this daemon was started without a configuration file")
    async with system.reloading:
        file = await trio.to_thread.run_sync(config_file.load, system.path)
        pair = await trio.to_thread.run_sync(certificate.read, file.server.tls)
        reloaded = merge(system.config, file)
        if pair is not None and system.certificate is not None:
            system.certificate.put(pair)
        _take_on(system, reloaded.running)
        return reloaded


def _take_on(system: System, running: Configuration) -> None:
    before, system.config = system.config, running
    system.policy.take_on(running.docker)
    system.quotas.owner = Owner(running.docker.user.uid, running.docker.user.gid)
    if before.authorization != running.authorization:
        system.sockets.revoke(MASTER)
    system.reloaded.notify()
