"""The placeholders of eggs: ``{{SERVER_PORT}}`` in commands, ``{{server.build.default.port}}`` in files."""

from collections.abc import Mapping
from typing import Final

import attrs
import re2

_PLACEHOLDER: Final = re2.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - where games listen in their container

_VARIABLES: Final = ("server.environment.", "server.build.environment.", "server.build.env.", "env.")


@attrs.frozen
class Server:
    """What placeholders stand for: ``memory_mb`` is 0 without a limit, ``interface`` the engine's gateway."""

    uuid: str
    ip: str
    port: int | None
    memory_mb: int
    interface: str
    variables: Mapping[str, str]


def to_environment(server: Server, startup: str, timezone: str) -> dict[str, str]:
    """Return the variables of the environment, those that every egg may rely on included."""
    return {
        "TZ": timezone,
        "STARTUP": startup,
        "SERVER_MEMORY": str(server.memory_mb),
        "SERVER_IP": server.ip,
        "SERVER_PORT": "" if server.port is None else str(server.port),
        "P_SERVER_UUID": server.uuid,
        **server.variables,
    }


def fill_command(command: str, environment: Mapping[str, str]) -> str:
    """Return the command with the values of ``{{NAME}}``; others stay as they are."""
    return str(_PLACEHOLDER.sub(lambda found: environment.get(found[1], found[0]), command))


def fill_value(text: str, server: Server) -> str:
    """Return a value of a configuration file with its placeholders filled in, old names included.

    Unknown names that begin with ``server.`` or ``env.`` are empty, as in the panels; others stay.
    """
    return str(_PLACEHOLDER.sub(lambda found: _to_value(found[1], found[0], server), text))


def _to_value(name: str, text: str, server: Server) -> str:
    for prefix in _VARIABLES:
        if name.startswith(prefix):
            return _to_variable(name.removeprefix(prefix), server)
    if name in server.variables:
        return server.variables[name]
    known = {
        "server.allocations.default.ip": server.ip,
        "server.build.default.ip": server.ip,
        "server.allocations.default.port": _to_port(server),
        "server.build.default.port": _to_port(server),
        "server.build.memory": str(server.memory_mb),
        "server.build.memory_limit": str(server.memory_mb),
        "server.uuid": server.uuid,
        "config.docker.interface": server.interface,
        "config.docker.network.interface": server.interface,
    }
    return known.get(name, "" if name.startswith("server.") else text)


def _to_variable(name: str, server: Server) -> str:
    own = {
        "SERVER_IP": server.ip,
        "SERVER_PORT": _to_port(server),
        "SERVER_MEMORY": str(server.memory_mb),
        "P_SERVER_UUID": server.uuid,
    }
    return server.variables.get(name, own.get(name, ""))


def _to_port(server: Server) -> str:
    return "" if server.port is None else str(server.port)
