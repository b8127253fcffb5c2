"""The environment of a server and of its installer, from the spec alone. Pure.

A container with an egg, and one that starts its image's own program, gets the variables that eggs rely on:
``TZ``, ``STARTUP``, ``SERVER_MEMORY``, ``SERVER_IP``, ``SERVER_PORT``, ``P_SERVER_UUID`` and the variables of
the egg. Every container gets the variables that its ports are named for, then its own ``environment``, which
replaces all others. In the command of the former, ``{{NAME}}`` is replaced by the value of a variable.
"""

from typing import TYPE_CHECKING, Final

import attrs

from actors.container.spec import ContainerSpec

if TYPE_CHECKING:
    from lightd.eggs import placeholders

MIB: Final = 1024 * 1024
TIMEZONE: Final = "UTC"


@attrs.frozen
class Environment:
    """The ``variables`` of a container's processes, and its ``command`` with the placeholders filled in."""

    variables: tuple[tuple[str, str], ...]
    command: str


def to_server(spec: ContainerSpec, interface: str = "") -> "placeholders.Server":
    """Return what placeholders stand for; ``interface`` is the engine's gateway.

    The first port is the server's port.
    """
    from lightd.eggs import placeholders  # noqa: PLC0415 - with RE2, which a node without eggs does not need

    return placeholders.Server(
        uuid=spec.volume_id,
        ip=placeholders.EVERYWHERE,
        port=spec.ports[0].container_port if spec.ports else None,
        memory_mb=(spec.limits.memory or 0) // MIB,
        interface=interface,
        variables={**({} if spec.egg is None else dict(spec.egg.variables)), **_to_named(spec)},
    )


def to_environment(spec: ContainerSpec, timezone: str = TIMEZONE) -> Environment:
    """Return the environment of ``spec``; raises ``TooLongError`` for a command that gets too long."""
    own = dict(spec.environment)
    if spec.egg is None and spec.entrypoint == "shell":
        return Environment(tuple({**_to_named(spec), **own}.items()), spec.startup_command)
    from lightd.eggs import placeholders  # noqa: PLC0415 - as above

    found = {**placeholders.to_environment(to_server(spec), "", timezone), **own}
    command = placeholders.fill_command(spec.startup_command, found)
    return Environment(tuple({**found, "STARTUP": command, **own}.items()), command)


def _to_named(spec: ContainerSpec) -> dict[str, str]:
    return {port.name: str(port.container_port) for port in spec.ports if port.name is not None}
