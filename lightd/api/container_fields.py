"""The fields of a container: each is one row of ``ContainerBody``.

Derived from the rows: reading the request that creates a container, its JSON Schema, ``PATCH``, the container
in responses and its schema, the entry for the panel, and the permission that a field needs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final

import attrs

from actors.container import messages
from actors.container.spec import (
    ContainerSpec,
    EggUse,
    GameQuery,
    Installer,
    Limits,
    Mount,
    PortBinding,
    RestartPolicy,
    StopPolicy,
)
from lightd.api import bodies, mount_rules
from lightd.api.bodies import Filled, Flag, Image, InternalId, Ip, PortNumber, Protocol, Script, VolumeId
from lightd.api.errors import bad_request
from lightd.engines.signals import DELIVERED
from lightd.games.answer import TRANSPORTS
from lightd.validation.reading import fields_of, metadata_of
from lightd.validation.rules import matching, number, one_of, whole
from lightd.validation.schema import Described, nullable, to_schema

MOST_PORTS = 64
"""Ports of one container. Each takes one of the pool and a process of Docker's (docker-proxy). Panels map
ranges to a server, for queries, voice or passive FTP: a few dozen."""
_SMALLEST_MEMORY = 6 * 1024 * 1024  # Docker refuses less


class Edit(Enum):
    """When an edit of a field applies."""

    AT_ONCE = "at once"
    AT_NEXT_START = "at the next start"


def _keep(value: Any) -> Any:  # noqa: ANN401 - any field's value
    return value


_FIELDS: Final = {
    kind: tuple(field.name for field in attrs.fields(kind))
    for kind in (GameQuery, Installer, Limits, RestartPolicy, StopPolicy)
}
"""The fields of the classes in a ``ContainerSpec``, which ``attrs.asdict`` finds again for every value."""


_PORT: Final = ("ip", "port", "protocol", "container_port")


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, tuple):
        return [_to_plain(each) for each in value]
    if isinstance(value, PortBinding):
        return to_port(value)
    names = _FIELDS.get(type(value))
    return {name: getattr(value, name) for name in names} if names else value


def to_port(port: PortBinding) -> dict[str, Any]:
    """Return a port as JSON; ``attrs.asdict`` would take a quarter of the time of a list of containers."""
    fields = {name: getattr(port, name) for name in _PORT}
    return fields if port.name is None else {**fields, "name": port.name}


def _or_null(text: str) -> str | None:
    return text or None


@attrs.frozen(kw_only=True, eq=False)
class ContainerField(Described):
    """The row of a field, in its annotation.

    ``attribute`` is its name in ``ContainerSpec`` if it is not the one in JSON. ``to_spec`` and ``to_json``
    convert its value. ``edit`` says when ``PATCH`` changes it, None: not at all. ``secret`` fields are shown
    to tokens with ``admin`` only: they can contain a password or a path of the host.
    """

    attribute: str = ""
    to_spec: Callable[[Any], Any] = _keep
    to_json: Callable[[Any], Any] = _to_plain
    edit: Edit | None = None
    secret: bool = False


@attrs.frozen
class BindingBody:
    """A port that a container uses."""

    ip: Ip
    port: PortNumber
    protocol: Protocol = "tcp"
    container_port: Annotated[
        PortNumber | None,
        Described("the port that the program listens on in the container; default: `port`", always=True),
    ] = None
    name: bodies.VariableName | None = None


@attrs.frozen
class InstallBody:
    """An installer that runs in a container of its own image."""

    image: Annotated[Image, Described("the image of the installer", example="debian:bookworm-slim")]
    script: bodies.InstallerScript
    entrypoint: bodies.InstallerEntrypoint = "sh"


@attrs.frozen
class EggBody:
    """The egg that a container was created from."""

    id: bodies.EggId
    version: bodies.EggVersion
    variables: bodies.Variables = ()


@attrs.frozen
class QueryBody:
    """How the game server is asked for its players."""

    protocol: Annotated[
        str,
        one_of("none", *TRANSPORTS),
        Described(
            "the protocol that it answers: that of Minecraft Java's server list, or Source's A2S; `none`: it"
            " is not asked",
            example="minecraft",
        ),
    ] = "none"
    port: Annotated[
        PortNumber | None,
        Described(
            "the container port that answers; null: the first of TCP for `minecraft`, of UDP for `source`",
            example=25565,
        ),
    ] = None


@attrs.frozen
class LimitsBody:
    """A container's limits; without one, the resource is not limited."""

    memory: Annotated[
        Annotated[int, whole(_SMALLEST_MEMORY, 2**60)] | None,
        Described("the memory of all its processes; null: unlimited", unit="bytes", example=1073741824),
    ] = None
    cpu: Annotated[
        Annotated[float, number(0.01, 1024)] | None,
        Described("the processor time that it can use; null: unlimited", unit="cores", example=1.5),
    ] = None
    pids: Annotated[
        Annotated[int, whole(1, 2**22)] | None,
        Described("its processes and threads; null: unlimited", unit="processes", example=256),
    ] = None


@attrs.frozen
class StopBody:
    """How a container is asked to stop; it is killed after ``timeout`` seconds."""

    type: Annotated[
        str,
        one_of("signal", "command"),
        Described("whether a signal is sent to its process, or a line is written to its console"),
    ] = "signal"
    value: Annotated[
        Filled | None,
        Described("the signal, by default SIGTERM, or the command", always=True, example="SIGTERM"),
    ] = None
    timeout: Annotated[
        float,
        number(0, 3600),
        Described("the time after which it is killed", unit="seconds", example=10),
    ] = 10.0


@attrs.frozen
class RestartBody:
    """What follows an exit: at most ``max`` restarts ``within`` seconds."""

    mode: Annotated[
        str,
        one_of("never", "on-crash", "always"),
        Described("after which exits it is started again; never after a stop or a kill", example="on-crash"),
    ] = "never"
    max: Annotated[
        int, whole(1, 1000), Described("the most restarts in `within`", unit="restarts", example=3)
    ] = 3
    within: Annotated[
        float,
        number(1, 86400),
        Described("the period in which restarts are counted", unit="seconds", example=60),
    ] = 60.0


def to_bindings(ports: Sequence[BindingBody]) -> tuple[PortBinding, ...]:
    """Return the bindings that ``ports`` mean; raises a 400."""
    if len(ports) > MOST_PORTS:
        raise bad_request(f"ports: must be at most {MOST_PORTS} ports (got {len(ports)})")
    keys = [(port.ip, port.port, port.protocol) for port in ports]
    if len(set(keys)) < len(keys):
        raise bad_request("ports: one is given twice")
    bindings = tuple(
        PortBinding(port.ip, port.port, port.protocol, port.container_port or port.port, port.name)
        for port in ports
    )
    named: dict[str, int] = {}
    for binding in bindings:
        if binding.name and named.setdefault(binding.name, binding.container_port) != binding.container_port:
            raise bad_request(f"ports: {binding.name} is the name of two container ports")
    return bindings


def to_installer(body: InstallBody) -> Installer:
    """Return the installer that ``body`` means; raises a 400."""
    if not body.script.strip():
        raise bad_request("install.script: must not be empty")
    return Installer(body.image, body.entrypoint, body.script)


def _to_egg(body: EggBody) -> EggUse:
    return EggUse(body.id, body.version, body.variables)


def _to_shown_egg(egg: EggUse | None) -> dict[str, str] | None:
    return None if egg is None else {"id": egg.id, "version": egg.version}


def _to_query(body: QueryBody) -> GameQuery:
    return GameQuery(body.protocol, body.port)


def _to_limits(body: LimitsBody) -> Limits:
    return Limits(body.memory, body.cpu, body.pids)


def _to_policy(body: RestartBody) -> RestartPolicy:
    return RestartPolicy(body.mode, body.max, body.within)


def _to_stop(body: StopBody) -> StopPolicy:
    if body.type == "command":
        if body.value is None:
            raise bad_request("stop.value: is missing: the command that stops the server")
        return StopPolicy("command", body.value, body.timeout)
    value = body.value or "SIGTERM"
    if value not in DELIVERED:
        raise bad_request(f"stop.value: must be a signal that can be delivered: {', '.join(DELIVERED)}")
    return StopPolicy("signal", value, body.timeout)


def _to_mount(mounts: Sequence[Mount]) -> dict[str, Any]:
    """Return mounts in the shape of a request."""
    return {
        mount.target: {"source": mount.source, "read_only": True} if mount.read_only else mount.source
        for mount in mounts
    }


_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_LIST: Final = {"type": "array", "items": {"type": "string"}}
_EGG: Final = nullable(
    {
        "type": "object",
        "properties": {"id": to_schema(bodies.EggId), "version": to_schema(bodies.EggVersion)},
        "required": ["id", "version"],
        "additionalProperties": False,
    }
)
_ROOT: Final = "whether it can write in its volume only; null: as `docker.read_only` of the configuration"


@attrs.frozen
class AdoptContainerBody:
    """A container in the engine that a lost journal had."""

    container_id: Annotated[
        str,
        matching("the engine's id of a container", r"[0-9a-z][0-9a-z-]{0,127}"),
        Described(example="4c01db0b339c7e5d0a2f6b8c9d1e3f405162738495a6b7c8d9e0f1a2b3c4d5e6"),
    ]


@attrs.frozen
class ContainerBody:
    """A new container."""

    internal_id: Annotated[InternalId, ContainerField()]
    image: Annotated[Image, ContainerField(edit=Edit.AT_NEXT_START)]
    volume_id: Annotated[VolumeId, ContainerField()]
    startup_command: Annotated[
        Filled | None,
        ContainerField(
            "the shell command that starts the server, run in `/home/container`, which is the volume;"
            " required unless `entrypoint` is `image`",
            example="exec java -Xmx1G -jar server.jar nogui",
            to_json=_or_null,
            edit=Edit.AT_NEXT_START,
            secret=True,
        ),
    ] = None
    start_pattern: Annotated[
        bodies.Pattern | None,
        ContainerField(
            "a console line that matches it says that the server has started (RE2)",
            example=r"\)! For help, type",
            edit=Edit.AT_NEXT_START,
            clears=True,
        ),
    ] = None
    ports: Annotated[
        tuple[BindingBody, ...],
        ContainerField(f"the ports that it holds, at most {MOST_PORTS}", to_spec=to_bindings),
    ] = ()
    limits: Annotated[LimitsBody, ContainerField(to_spec=_to_limits, edit=Edit.AT_ONCE)] = LimitsBody()
    mount: Annotated[
        bodies.Mounts,
        ContainerField(
            "folders of the host, each beneath `docker.allowed_mounts`, by their path in the container",
            example={"/maps": {"source": "/srv/maps", "read_only": True}},
            attribute="mounts",
            to_json=_to_mount,
            shown=mount_rules.SHOWN,
            secret=True,
        ),
    ] = ()
    install_script: Annotated[Script | None, ContainerField(secret=True)] = None
    environment: Annotated[
        bodies.Environment,
        ContainerField(to_json=dict, shown=_TEXTS, edit=Edit.AT_NEXT_START, secret=True),
    ] = ()
    user: Annotated[
        bodies.User | None, ContainerField("the user of its processes", always=True, example="988:988")
    ] = None
    tty: Annotated[Flag, ContainerField("whether it has a terminal", example=True)] = True
    stop: Annotated[StopBody, ContainerField(to_spec=_to_stop, edit=Edit.AT_ONCE)] = StopBody()
    restart_policy: Annotated[RestartBody, ContainerField(to_spec=_to_policy, edit=Edit.AT_ONCE)] = (
        RestartBody()
    )
    read_only: Annotated[Flag | None, ContainerField(_ROOT, example=True, edit=Edit.AT_NEXT_START)] = None
    pull: Annotated[bodies.Pull, ContainerField(edit=Edit.AT_ONCE)] = "missing"
    labels: Annotated[bodies.Labels, ContainerField(to_json=dict, shown=_TEXTS, edit=Edit.AT_ONCE)] = ()
    display_name: Annotated[
        bodies.DisplayName | None,
        ContainerField(
            "a name for people", example="Survival", to_json=_or_null, edit=Edit.AT_ONCE, clears=True
        ),
    ] = None
    entrypoint: Annotated[
        str,
        one_of("shell", "image"),
        ContainerField(
            "what is started: a shell that runs `startup_command`, or the image's own entrypoint and command",
            example="shell",
            edit=Edit.AT_NEXT_START,
        ),
    ] = "shell"
    install: Annotated[
        InstallBody | None,
        ContainerField(
            "an installer with its own image, in place of `install_script`", to_spec=to_installer, secret=True
        ),
    ] = None
    start_texts: Annotated[
        bodies.StartTexts,
        ContainerField(shown=_LIST, edit=Edit.AT_NEXT_START),
    ] = ()
    file_denylist: Annotated[
        bodies.Denylist,
        ContainerField(shown=_LIST, edit=Edit.AT_ONCE),
    ] = ()
    egg: Annotated[
        EggBody | None,
        ContainerField(
            "the egg that it was created from, and its version; null without one",
            to_spec=_to_egg,
            to_json=_to_shown_egg,
            shown=_EGG,
        ),
    ] = None
    query: Annotated[QueryBody, ContainerField(to_spec=_to_query, edit=Edit.AT_ONCE)] = QueryBody()


def _to_rows() -> Iterator[tuple[str, ContainerField]]:
    for field in fields_of(ContainerBody):
        (row,) = (each for each in metadata_of(field.annotation) if isinstance(each, ContainerField))
        yield field.key, row


ROWS: Final[Mapping[str, ContainerField]] = dict(_to_rows())
"""The row of each field by its name in JSON."""
ATTRIBUTES: Final[Mapping[str, str]] = {name: row.attribute or name for name, row in ROWS.items()}
"""The names of the fields in ``ContainerSpec``, by those in JSON."""
SECRET: Final = frozenset(name for name, row in ROWS.items() if row.secret)
EDITABLE: Final = tuple(
    field.name for field in attrs.fields(messages.Edit) if field.name in ROWS and ROWS[field.name].edit
)
"""The fields that ``PATCH`` changes."""
AT_NEXT_START: Final = tuple(name for name in EDITABLE if ROWS[name].edit is Edit.AT_NEXT_START)
CLEARABLE: Final = frozenset(name for name, row in ROWS.items() if row.clears)
"""Fields that ``PATCH`` removes if they are null or empty."""

EditBody: Final[type[Any]] = attrs.make_class(
    "EditBody",
    {
        field.name: attrs.field(default=None, type=field.annotation | None)
        for field in fields_of(ContainerBody)
        if field.key in EDITABLE
    },
    frozen=True,
)
EditBody.__doc__ = "The settings to update; each is replaced as a whole, and null removes a pattern."


@attrs.frozen
class ReinstallBody:
    """What a reinstallation changes."""

    image: Image | None = None
    install_script: Script | None = None
    install: InstallBody | None = None
    run_script: Annotated[Flag, Described("whether the install script is run", example=True)] = True
    pull: bodies.Pull | None = None


@attrs.frozen
class RebindBody:
    """The new ports of a container; they replace all its ports."""

    ports: Annotated[tuple[BindingBody, ...], Described(f"its new ports, at most {MOST_PORTS}")]


def to_values(body: object) -> dict[str, Any]:
    """Return the fields of ``body`` that are given, as attributes of ``ContainerSpec``; raises a 400."""
    given = {field.key: getattr(body, field.name) for field in fields_of(type(body))}
    return {ATTRIBUTES[name]: ROWS[name].to_spec(value) for name, value in given.items() if value is not None}


def check_contradictions(spec: ContainerSpec) -> None:
    """Raise a 400 if fields of ``spec`` contradict each other."""
    if spec.install is not None and spec.install_script is not None:
        raise bad_request("install: must not be given together with install_script")
    if not spec.startup_command and spec.entrypoint == "shell":
        raise bad_request("startup_command: is missing")


def to_json(spec: ContainerSpec) -> dict[str, Any]:
    """Return every field of ``spec`` as JSON values."""
    return {name: row.to_json(getattr(spec, ATTRIBUTES[name])) for name, row in ROWS.items()}


def to_request(spec: ContainerSpec) -> dict[str, Any]:
    """Return ``spec`` as the body of a request that creates it, with the values of an egg's variables."""
    fields = to_json(spec)
    if spec.egg is not None:
        fields["egg"] = {**fields["egg"], "variables": dict(spec.egg.variables)}
    return _without_null(fields)


def _without_null(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_null(value) if isinstance(value, dict) else value
        for name, value in fields.items()
        if value is not None
    }
