"""The configuration: parses and validates the text of the file.

Every key is one attribute below; its annotation carries the ``Rule`` that reads it. The parser, the schema
(``config.schema``) and the file that a first start writes are all derived from these classes.

1. A file is accepted as a whole or not at all, and all mistakes in it are reported, not only the first.
2. A mistake names the path of its key and never shows the value of a secret.
3. Nothing is ignored silently: an unknown key and a duplicate key are mistakes.
4. Types are not converted: ``true``, ``"8070"`` and ``8070.0`` are not accepted as a number.

Reading and writing the file is in ``config.file``.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs

from lightd.config import rules
from lightd.config.engines import ENGINES, EngineKind
from lightd.config.rules import AUTO, User, Users
from lightd.logs.redaction import mask
from lightd.validation.reading import Mistakes, read
from lightd.validation.rules import FLAG, shown, shown_key

LIVE: Final = "live"
"""In the annotation of a key that a running daemon applies; all others need a restart."""

VERSION = "0.1.0"  # of the file's format: the first lightd that wrote this format

SERVER_USER = User(988, 988)  # fixed by the API contract; root only if an operator configures it
USER_RANGE = Users(900_000, 965_535)
"""Above what adduser and most directories give people, and of what ``tar`` writes without extensions.

/etc/subuid begins at 100000 with 65536 for each user: a host with more than twelve such users needs another.
"""

GIVEN_BY_THE_HOST = frozenset({"node"})  # keys without a default here that are optional in the file


class ConfigurationError(Exception):
    """The configuration is not valid; ``mistakes`` has one line for each reason."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ConfigurationMissing(ConfigurationError):  # noqa: N818 - names what was found
    """There is no configuration file."""


@attrs.frozen
class Tls:
    """The certificate (with its chain) and its private key, two PEM files; without them, plain HTTP."""

    cert: Annotated[Path | None, rules.FILE, LIVE] = None
    key: Annotated[Path | None, rules.FILE, LIVE] = None


@attrs.frozen
class Server:
    """Where and how the daemon listens; with port 0 the system chooses a port.

    ``allowed_origins`` are the web pages that may use the API from a browser. The node's own pages and those
    of the panel may always open WebSockets. ``viewers_per_container``: how many WebSockets one container can
    have at a time, and the node's stream for one set of tokens. ``ui``: whether the web console is served.
    """

    host: Annotated[str, rules.HOST] = "127.0.0.1"
    port: Annotated[int, rules.PORT] = 8070
    tls: Tls = Tls()
    allowed_origins: Annotated[tuple[Annotated[str, rules.ORIGIN], ...], LIVE] = ()
    viewers_per_container: Annotated[int, rules.VIEWERS, LIVE] = 30
    ui: Annotated[bool, FLAG, LIVE] = True


@attrs.frozen(kw_only=True)
class Authorization:
    """The master token, and whether it is required; without it the daemon listens on loopback only."""

    enabled: Annotated[bool, FLAG, LIVE] = True
    token: Annotated[str, rules.TOKEN, LIVE] = attrs.field(repr=mask)


@attrs.frozen
class Docker:
    """The engine, Docker's socket, which host paths containers may mount, and the user they run as.

    ``read_only``: servers write nowhere but in their volumes and in a ``/tmp`` of ``tmp_mb`` megabytes. With
    ``allow_writable_root`` a client may ask for a server that does otherwise. With the user "auto" each
    volume gets a user of its own out of ``user_range``. ``network_mtu`` is the MTU of lightd's network in
    bytes; with 0 it is that of the host's default route. ``registries`` is a file with credentials of
    registries, by host, as ``docker login`` writes it. ``restore``: servers that ran when the engine or the
    host was shut down are started again.
    """

    engine: Annotated[str, rules.ENGINE] = "docker"
    socket_path: Annotated[Path, rules.PATH] = Path("/var/run/docker.sock")
    allowed_mounts: Annotated[tuple[Annotated[Path, rules.MOUNT], ...], LIVE] = ()
    user: Annotated[User, rules.USER, LIVE] = SERVER_USER
    user_range: Annotated[Users, rules.USERS, LIVE] = USER_RANGE
    read_only: Annotated[bool, FLAG, LIVE] = True
    tmp_mb: Annotated[int, rules.TMP, LIVE] = 100
    allow_writable_root: Annotated[bool, FLAG, LIVE] = False
    network_mtu: Annotated[int, rules.MTU, LIVE] = 0
    registries: Annotated[Path | None, rules.FILE, LIVE] = None
    restore: Annotated[bool, FLAG, LIVE] = True

    @property
    def kind(self) -> EngineKind:
        """What the engine provides."""
        return ENGINES[self.engine]


@attrs.frozen
class Sftp:
    """Whether files are served over SFTP, and where that listens; ``::`` is IPv4 and IPv6."""

    enabled: Annotated[bool, FLAG] = False
    host: Annotated[str, rules.HOST] = "0.0.0.0"  # noqa: S104 - it is encrypted, and off unless it is wanted
    port: Annotated[int, rules.PORT] = 2022


@attrs.frozen
class Storage:
    """The daemon's folders (its own, of containers, of volumes), and how volume sizes are enforced."""

    base_path: Annotated[Path, rules.PATH] = Path("storage")
    containers_path: Annotated[Path, rules.PATH] = attrs.field()
    volumes_path: Annotated[Path, rules.PATH] = attrs.field()
    quota: Annotated[Literal["auto", "pool", "accounted"], rules.QUOTA] = "auto"
    pool_mb: Annotated[int, rules.POOL] = 0

    @containers_path.default
    def _beneath_base(self) -> Path:
        return self.base_path / "containers"

    @volumes_path.default
    def _beneath_base_too(self) -> Path:
        return self.base_path / "volumes"


@attrs.frozen
class Monitoring:
    """Whether statistics of running containers are collected, and the interval in milliseconds."""

    enabled: Annotated[bool, FLAG, LIVE] = True
    interval_ms: Annotated[int, rules.INTERVAL, LIVE] = 1000


@attrs.frozen
class Audit:
    """How many days, and how many at most, entries of the audit are kept."""

    keep_days: Annotated[int, rules.DAYS, LIVE] = 90
    keep_entries: Annotated[int, rules.ENTRIES, LIVE] = 1_000_000


@attrs.frozen
class Query:
    """Whether game servers are asked for their players, and how many seconds an answer is kept."""

    enabled: Annotated[bool, FLAG, LIVE] = True
    cache_seconds: Annotated[int, rules.CACHE, LIVE] = 10


@attrs.frozen
class Remote:
    """The panel; its URL and token are required if it is enabled.

    ``catch_up`` says what a panel receives after an outage: all updates, or each server's latest state. With
    ``events`` it also receives each start, stop and crash of a server. With ``sftp_auth`` it is asked who may
    log in over SFTP.
    """

    enabled: Annotated[bool, FLAG, LIVE] = False
    url: Annotated[str, rules.URL, LIVE] = ""
    token: Annotated[str, rules.PANEL_TOKEN, LIVE] = attrs.field(default="", repr=mask)
    sync_config: Annotated[bool, FLAG, LIVE] = False
    catch_up: Annotated[str, rules.CATCH_UP, LIVE] = "all"
    events: Annotated[bool, FLAG, LIVE] = False
    sftp_auth: Annotated[bool, FLAG, LIVE] = False


@attrs.frozen(kw_only=True)
class Configuration:
    """The whole configuration; its paths are absolute if it comes from ``parse``."""

    version: Annotated[str, rules.TEXT, LIVE] = VERSION
    server: Server = Server()
    authorization: Authorization
    docker: Docker = Docker()
    storage: Storage = Storage()
    monitoring: Monitoring = Monitoring()
    remote: Remote = Remote()
    audit: Audit = Audit()
    query: Query = Query()
    sftp: Sftp = Sftp()
    node: Annotated[str, rules.NODE]

    def masked(self) -> dict[str, Any]:
        """The configuration as JSON values, every token masked except for its last four characters."""
        found = to_json(self)
        for section in found.values():
            if isinstance(section, dict) and "token" in section:
                section["token"] = mask(section["token"])
        return found


def parse(text: str, directory: Path, node: str) -> Configuration:
    """The configuration that ``text`` describes.

    Relative paths are relative to ``directory``; ``node`` is the default node name.
    Raises ``ConfigurationError``.
    """
    return from_json(loads(text), directory, node)


def loads(text: str) -> object:
    """The JSON value in ``text``; raises ``ConfigurationError`` with line and column if it is malformed."""
    repeated: dict[str, None] = {}

    def to_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                repeated[shown_key(key)] = None
            found[key] = value
        return found

    try:
        value: object = json.loads(text, object_pairs_hook=to_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"line {error.lineno}, column {error.colno}: malformed JSON: {error.msg}",
        ) from None
    except RecursionError:
        raise ConfigurationError("malformed JSON: nested too deeply") from None
    except ValueError as error:
        raise ConfigurationError(f"malformed JSON: {error}") from None
    if repeated:
        raise ConfigurationError(*(f"{key}: duplicate key" for key in repeated))
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def from_json(value: object, directory: Path, node: str) -> Configuration:
    """Like ``parse``, from the JSON value."""
    if isinstance(value, dict):
        value = {"node": node, **value}
    mistakes: Mistakes = {}
    configuration = _anchored(read(Configuration, value, mistakes), directory)
    for path, mistake in _contradictions(configuration):
        mistakes.setdefault(path, mistake)
    if mistakes:
        raise ConfigurationError(*(f"{path}: {mistake}" for path, mistake in mistakes.items()))
    return configuration


EXAMPLE_TOKEN: Final = "lightd_change-me.lightd--token-reset"  # noqa: S105 - everybody knows it


def _contradictions(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Keys that are valid on their own but contradict each other."""
    host, remote, storage = configuration.server.host, configuration.remote, configuration.storage
    tls = configuration.server.tls
    if not configuration.authorization.enabled and not rules.is_loopback(host):
        yield (
            "server.host",
            f"must be a loopback address while authorization.enabled is false (got {shown(host)})",
        )
    token = configuration.authorization.token or ""  # None if it is a mistake itself
    if "changeme" in re.sub("[^a-z]", "", token.lower()):
        yield (
            "authorization.token",
            "is the placeholder of the example, which everybody knows: `lightd --token reset` writes another",
        )
    if not configuration.authorization.enabled and configuration.sftp.enabled:
        yield "sftp.enabled", "must be false while authorization.enabled is false: anybody could log in"
    if tls.cert is not None and tls.key is None:
        yield "server.tls.key", "is required if server.tls.cert is set"
    if tls.key is not None and tls.cert is None:
        yield "server.tls.cert", "is required if server.tls.key is set"
    if remote.enabled and not remote.url:
        yield "remote.url", "is required if remote.enabled is true"
    if remote.enabled and not remote.token:
        yield "remote.token", "is required if remote.enabled is true"
    containers, volumes = storage.containers_path, storage.volumes_path
    if containers.is_relative_to(volumes) or volumes.is_relative_to(containers):
        yield (
            "storage.volumes_path",
            "must be separate from storage.containers_path (neither inside the other)",
        )
    if storage.quota == "pool" and not storage.pool_mb:
        yield "storage.pool_mb", 'must not be 0 if storage.quota is "pool"'
    if storage.quota == "pool" and storage.base_path.is_relative_to(volumes):
        yield (
            "storage.volumes_path",
            "must not contain storage.base_path: the pool would hide its image file",
        )


def _anchored(configuration: Configuration, directory: Path) -> Configuration:
    docker, storage, server = configuration.docker, configuration.storage, configuration.server
    return attrs.evolve(
        configuration,
        server=attrs.evolve(
            server,
            tls=Tls(*(path and directory / path for path in (server.tls.cert, server.tls.key))),
        ),
        docker=attrs.evolve(
            docker,
            socket_path=directory / docker.socket_path,
            registries=docker.registries and directory / docker.registries,
        ),
        storage=attrs.evolve(
            storage,
            base_path=directory / storage.base_path,
            containers_path=directory / storage.containers_path,
            volumes_path=directory / storage.volumes_path,
        ),
    )


def held_by(configuration: Configuration, uid: int, gid: int) -> Configuration:
    """``configuration`` as it applies if lightd runs as that user.

    Only root can change the owner of a volume or run a program as another user. If lightd is not root, the
    default ``docker.user`` is replaced by lightd's own user; any other value is kept.
    """
    docker = configuration.docker
    if uid == 0 or docker.user not in (SERVER_USER, AUTO):
        return configuration
    return attrs.evolve(configuration, docker=attrs.evolve(docker, user=User(uid, gid)))


def to_json(configuration: Configuration) -> dict[str, Any]:
    """``configuration`` as JSON values, including secrets; the inverse of ``from_json``."""
    return attrs.asdict(configuration, value_serializer=_to_json_value)


def _to_json_value(_instance: object, _field: object, value: object) -> object:
    match value:
        case Path() | User() | Users():
            return str(value)
        case tuple():
            return list(value)
        case None:
            return ""  # the value of an empty path in the file
        case _:
            return value


def first_file(token: str, *, root: bool = False, node: str = "") -> dict[str, Any]:
    """Return the file that a first start writes: some defaults, ``token``, and ``node`` unless empty."""
    file = _with_defaults(Configuration(authorization=Authorization(token=token), node=node))
    del file["audit"], file["query"], file["sftp"], file["docker"]["user_range"]
    if not node:
        del file["node"]
    file["server"] = {key: file["server"][key] for key in ("host", "port")}
    del (
        file["storage"]["quota"],
        file["storage"]["pool_mb"],
        file["remote"]["events"],
        file["remote"]["sftp_auth"],
    )
    if root:
        file["docker"]["user"] = str(AUTO)
    return file


def example() -> dict[str, Any]:
    """Return a file with every key: ``config/config.example.json``."""
    return _with_defaults(
        Configuration(
            authorization=Authorization(token=EXAMPLE_TOKEN),
            docker=Docker(user=AUTO),
            remote=Remote(url="https://panel.example/api", token="lightd_the-token-that-the-panel-gave"),  # noqa: S106 - a placeholder
            node="node-1",
        )
    )


def _with_defaults(configuration: Configuration) -> dict[str, Any]:
    file = to_json(configuration)
    paths = {key: f"./{path}" for key, path in file["storage"].items() if key.endswith("_path")}
    return {**file, "storage": {**file["storage"], **paths}}
