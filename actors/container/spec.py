"""The specification of a container. Values only; they were validated before.

Scripts, commands and patterns are read as ``plain_text``, also those that older versions recorded as given.
"""

import attrs
from attrs.converters import optional

from actors.container.plain_text import to_command, to_text

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@attrs.frozen
class PortBinding:
    """A port of the host that leads to a port of the container. ``protocol`` is ``tcp`` or ``udp``.

    ``name`` is the variable of the environment that has the container's port as its value.
    """

    ip: str
    port: int
    protocol: str
    container_port: int
    name: str | None = None

    def collides(self, other: "PortBinding") -> bool:
        """Return true where both can't be bound on the host by two containers at once.

        A port of IPv4 and one of IPv6 can: Docker binds ``::`` for IPv6 only.
        """
        same = (self.port, self.protocol, ":" in self.ip) == (other.port, other.protocol, ":" in other.ip)
        return same and (self.ip == other.ip or not WILDCARDS.isdisjoint((self.ip, other.ip)))


@attrs.frozen
class Limits:
    """Ceilings: ``memory`` in bytes, ``cpu`` in cores, ``pids`` in processes; None is no ceiling."""

    memory: int | None = None
    cpu: float | None = None
    pids: int | None = None


@attrs.frozen
class Mount:
    """A path of the host, ``source``, seen in the container as ``target``; ``read_only`` or not."""

    target: str
    source: str
    read_only: bool = False


@attrs.frozen
class StopPolicy:
    """How the process is asked to end: by a ``signal`` or a ``command`` (``type``).

    After ``timeout`` seconds it is killed.
    """

    type: str = "signal"
    value: str = attrs.field(default="SIGTERM", converter=to_command)
    timeout: float = 10.0


@attrs.frozen
class RestartPolicy:
    """What follows an exit: ``mode`` is ``never``, ``on-crash`` or ``always``.

    At most ``max`` restarts within ``within`` seconds.
    """

    mode: str = "never"
    max: int = 3
    within: float = 60.0


@attrs.frozen
class Installer:
    """An install script that is run in a container of its own ``image``, by the program ``entrypoint``."""

    image: str
    entrypoint: str
    script: str = attrs.field(converter=to_text)


@attrs.frozen
class EggUse:
    """The egg that a container was created from, its stored version, and the values of its variables."""

    id: str
    version: str
    variables: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class GameQuery:
    """How the server is asked for its players: by ``protocol``, ``none``, ``minecraft`` or ``source``.

    ``port`` is a container port; None is the first one with the protocol's transport.
    """

    protocol: str = "none"
    port: int | None = None


@attrs.frozen(cache_hash=True)
class ContainerSpec:
    """The specification that a container was created with.

    ``environment`` holds name and value pairs, ``user`` is a numeric ``uid:gid``. ``install_timeout`` is the
    time limit of the install script in seconds. With ``read_only`` the server can write only to its volume;
    None is the engine's default. ``pull`` says whether its image is pulled before a container is created from
    it: ``missing``, ``always`` or ``never``. ``labels`` are name and value pairs, sorted by their names, and
    ``display_name`` is a name for people, empty for none: the engine is given neither.

    ``entrypoint`` is ``shell``: a shell runs the startup command; or ``image``: the image's own program is
    started, and ``startup_command``, which can be empty, is in its environment. ``install`` takes the place
    of ``install_script``. ``start_texts`` are literal texts beside ``start_pattern``: a line that contains
    one says that the server has started. ``file_denylist`` are patterns, as in gitignore, of files that the
    file routes refuse.
    """

    internal_id: str
    image: str
    volume_id: str
    startup_command: str = attrs.field(converter=to_text)
    start_pattern: str | None = attrs.field(default=None, converter=optional(to_command))
    ports: tuple[PortBinding, ...] = ()
    limits: Limits = Limits()
    mounts: tuple[Mount, ...] = ()
    install_script: str | None = attrs.field(default=None, converter=optional(to_text))
    environment: tuple[tuple[str, str], ...] = ()
    user: str = "988:988"
    tty: bool = True
    stop: StopPolicy = StopPolicy()
    restart_policy: RestartPolicy = RestartPolicy()
    install_timeout: float = 3600.0
    read_only: bool | None = None
    pull: str = "missing"
    labels: tuple[tuple[str, str], ...] = ()
    display_name: str = ""
    entrypoint: str = "shell"
    install: Installer | None = None
    start_texts: tuple[str, ...] = ()
    file_denylist: tuple[str, ...] = ()
    egg: EggUse | None = None
    query: GameQuery = GameQuery()

    @property
    def installs(self) -> bool:
        """Whether an installation runs a script."""
        return self.install is not None or self.install_script is not None
