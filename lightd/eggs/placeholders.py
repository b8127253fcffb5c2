"""The placeholders of eggs: ``{{SERVER_PORT}}`` in commands, ``{{server.build.default.port}}`` in files."""

from collections.abc import Callable, Mapping
from typing import Final

import attrs
import re2

from lightd.eggs.errors import EggError

_PLACEHOLDER: Final = re2.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - where games listen in their container

LONGEST: Final = 128 * 1024
"""Characters of a text with its placeholders filled in: Linux's limit for an argument of a command."""

_VARIABLES: Final = ("server.environment.", "server.build.environment.", "server.build.env.", "env.")


class TooLongError(EggError):
    """The values of placeholders make a text too long."""

    def __init__(self) -> None:
        super().__init__(f"a text would have more than {LONGEST} characters with its placeholders filled in")


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
    """Return the command with the values of ``{{NAME}}``; others stay as they are.

    Raises ``TooLongError``.
    """
    return _fill(command, lambda found: environment.get(found[1], found[0]))


def fill_value(text: str, server: Server) -> str:
    """Return a value of a configuration file with its placeholders filled in, old names included.

    Unknown names that begin with ``server.`` or ``env.`` are empty, as in the panels; others stay. Raises
    ``TooLongError``.
    """
    return _fill(text, lambda found: _to_value(found[1], found[0], server))


def _fill(text: str, to_value: "Callable[[re2._Match[str]], str]") -> str:
    room = LONGEST

    def fill(found: "re2._Match[str]") -> str:
        nonlocal room
        value = to_value(found)
        room -= len(value)
        if room < 0:
            raise TooLongError
        return value

    return str(_PLACEHOLDER.sub(fill, text))


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
