"""What Docker is asked to make of a spec: the JSON of ``POST /containers/create`` (Engine API 1.41).

Capabilities: all are dropped, and those come back that programs of game images use; Docker's own default of
14 is an ordinary Linux system's. A server gets the four that Wings, too, leaves to it: CHOWN, SETGID and
SETUID for images that begin as root and go on as somebody else, KILL to end their children.
NET_BIND_SERVICE is not needed: since 20.10 Docker lets anybody in a container bind any port. An installer is
root and unpacks archives and packages into a volume that belongs to somebody else, so it may also override
owners and modes; it can't make device nodes (MKNOD), which in a volume on the host's disk would be the
host's devices. Set-id bits and file capabilities gain nothing under ``no-new-privileges``, and are lost when
the volume changes hands.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from actors.container.engine import Role
from actors.container.spec import ContainerSpec, PortBinding
from lightd.eggs.environment import TIMEZONE, to_environment
from lightd.engines.docker import translate
from lightd.engines.host import entrypoint

Json = dict[str, Any]

NETWORK: Final = "lightd"
_ICC: Final = "com.docker.network.bridge.enable_icc"
_MTU: Final = "com.docker.network.driver.mtu"
DEFAULT_MTU: Final = 1500
"""Bytes of a packet on a network that was created without an MTU."""

HOME: Final = "/home/container"
DATA: Final = "/app/data"
INSTALL_HOME: Final = "/mnt/server"
"""Where the install scripts of panels expect the volume; it is at ``HOME`` too."""

ANYTHING_MB: Final = 2048
"""Megabytes that a container with a writable root file system may have outside of its volume (``layers``)."""

FILES_IN_TMP: Final = 256
"""Files in ``/tmp`` for each of its megabytes: the kernel's own memory for them is bounded too."""

NO_RESOLVER: Final = "ndots:1:1"
"""Keeps Docker from starting its own resolver in a container, which answers with the names of all others.

It gives that up where ``ndots`` is malformed (libnetwork, ``sandbox.rebuildDNS``), and the container has the
nameservers of the host, as it would on Docker's default bridge. Resolvers read it as 1, their default.
"""

SHM: Final = 64 * 1024**2
"""Bytes of ``/dev/shm``: Docker's default, said here so that a daemon's setting is none of a container's."""

MOST_VOLUMES: Final = 16
"""``VOLUME``s of an image: each is a file system in memory."""

SERVER_CAPABILITIES: Final = ("CHOWN", "KILL", "SETGID", "SETUID")
INSTALLER_CAPABILITIES: Final = (*SERVER_CAPABILITIES, "DAC_OVERRIDE", "FOWNER", "FSETID")

_ROOT: Final = {"HOME": "/root", "USER": "root", "LOGNAME": "root"}

INSTALLER_MEMORY: Final = 1024**3
"""Bytes that an installer has at least: unpacking takes more than the small servers that it unpacks."""

INSTALLER_PIDS: Final = 1024

SERVER_PIDS: Final = 4096
"""Processes and threads of a server whose limits name no number: more than games need, less than bombs do."""

LOG: Final[Mapping[str, str]] = {"max-size": "5m", "max-file": "2", "compress": "false", "mode": "blocking"}
"""Docker compresses each full file unless told not to. That saves 5 MB of disk, but slows a program that
prints without end, and its kill, which waits until the log is written, takes up to twice as long (20.10).

The mode is named because daemon.json can have another default: the buffer of ``non-blocking`` counts no
empty lines, so a program that prints only these makes dockerd grow without bound (200 MB/s with 20.10)."""

OOM_SCORE: Final = 500
"""Where the host itself is out of memory, the kernel takes a server before the daemon or Docker: proc(5)."""

_PREFIXES: Final[Mapping[Role, str]] = {
    Role.SERVER: "lightd-",
    Role.INSTALLER: "lightd.installer-",
    Role.CANDIDATE: translate.CANDIDATE_PREFIX,
}


@attrs.frozen
class Layout:
    """Where things are on the host, and whose they are: the daemon's ``node``, and the id of its journal."""

    node: str
    containers_path: str
    volumes_path: str
    journal_id: str = ""

    def folder(self, internal_id: str) -> str:
        """The container's own folder, ``/app/data`` in it."""
        return f"{self.containers_path}/{internal_id}"

    def volume(self, spec: ContainerSpec) -> str:
        """The volume, ``/home/container`` in the container."""
        return f"{self.volumes_path}/{spec.volume_id}"


@attrs.frozen
class Surroundings:
    """What a container is given that its spec doesn't say.

    ``read_only`` is whether its root file system is. ``tmp_mb`` megabytes are for ``/tmp`` and, shared out,
    for the paths in ``volumes``: the image's ``VOLUME``s, for each of which Docker would make a folder on the
    host that nothing bounds. ``files`` are paths in the container, each with the file of the host it shows.
    ``environment`` is what the spec's own variables go before, ``timezone`` the one of eggs' servers.
    """

    read_only: bool = True
    tmp_mb: int = 100
    volumes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    timezone: str = TIMEZONE


def to_name(internal_id: str, role: Role) -> str:
    """The container's name in Docker, the same for every attempt.

    No id makes one of these out of another: none begins with a ``.`` or holds what ends such a beginning.
    """
    return _PREFIXES[role] + internal_id


NOT_IN_ENGINE: Final = frozenset(
    {"pull", "labels", "display_name", "install", "start_texts", "file_denylist", "query"}
)
"""The fields of a spec that the engine is not given: a change of them needs no new container."""
_LATER: Final[Mapping[str, object]] = {"entrypoint": "shell", "egg": None}
"""Fields with the values of containers that an earlier version made: those keep their fingerprint."""


def to_fingerprint(spec: ContainerSpec, attempt: int) -> str:
    """Return a text that is equal for specs that differ at most in ``NOT_IN_ENGINE``, and for one attempt."""
    fields = {
        name: value
        for name, value in attrs.asdict(spec, filter=_is_given).items()
        if name not in NOT_IN_ENGINE and (name not in _LATER or value != _LATER[name])
    }
    text = json.dumps([fields, attempt], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_given(field: "attrs.Attribute[object]", value: object) -> bool:
    """Whether the field is not the name of a port that has none, which earlier versions did not know."""
    return value is not None or field.name != "name"


def to_server(
    spec: ContainerSpec, attempt: int, layout: Layout, around: Surroundings = Surroundings()
) -> Json:
    """The container that runs the startup command, or the image's own entrypoint and command."""
    limits, taken = spec.limits, [mount.target for mount in spec.mounts]
    temporary = {} if _is_beneath("/tmp", taken) else {"/tmp": _to_temporary(around.tmp_mb)}  # noqa: S108 - a container's
    return {
        "Image": spec.image,
        "User": spec.user,
        **_to_program(spec, around),
        "Healthcheck": _NO_CHECK,
        "Tty": spec.tty,
        "OpenStdin": True,
        "StdinOnce": False,
        "Labels": _to_labels(spec, Role.SERVER, attempt, layout) | ({} if around.read_only else _BOUND),
        "ExposedPorts": {_to_port(port): {} for port in spec.ports},
        "HostConfig": {
            **_to_confinement(SERVER_CAPABILITIES),
            **to_ceilings(limits.memory, limits.cpu, limits.pids or SERVER_PIDS),
            "ReadonlyRootfs": around.read_only,
            "Tmpfs": temporary,
            "Mounts": [
                _to_mount(layout.volume(spec), HOME),
                _to_mount(layout.folder(spec.internal_id), DATA, read_only=True),
                *(_to_mount(each.source, each.target, read_only=each.read_only) for each in spec.mounts),
                *(
                    _to_mount(source, target, read_only=True)
                    for target, source in around.files
                    if not _is_beneath(target, taken)
                ),
                *_to_memory(around, (*taken, HOME, DATA, *temporary)),
            ],
            "PortBindings": _to_bindings(spec.ports),
        },
    }


def to_installer(
    spec: ContainerSpec, attempt: int, layout: Layout, around: Surroundings = Surroundings()
) -> Json:
    """The container that runs the install script, as root.

    Scripts install packages, so its root file system is writable: ``layers`` bounds it. An installer of its
    own image has a terminal.
    """
    limits, install = spec.limits, spec.install
    memory = None if limits.memory is None else max(limits.memory, INSTALLER_MEMORY)
    pids = max(limits.pids or 0, INSTALLER_PIDS)
    return {
        "Image": spec.image if install is None else install.image,
        "User": "0:0",
        "Entrypoint": ["/bin/sh", entrypoint.INSTALLER_PATH],
        "Cmd": [],
        "WorkingDir": HOME if install is None else INSTALL_HOME,
        "Env": _to_list(_ROOT, to_environment(spec, around.timezone).variables),
        "Healthcheck": _NO_CHECK,
        "Tty": install is not None,
        "OpenStdin": False,
        "Labels": _to_labels(spec, Role.INSTALLER, attempt, layout) | _BOUND,
        "HostConfig": {
            **_to_confinement(INSTALLER_CAPABILITIES),
            **to_ceilings(memory, limits.cpu, pids),
            "Mounts": [
                _to_mount(layout.volume(spec), HOME),
                _to_mount(layout.volume(spec), INSTALL_HOME),
                _to_mount(layout.folder(spec.internal_id), DATA, read_only=True),
                *([] if install is None else [_to_script(spec, layout)]),
                *_to_memory(around, (HOME, DATA, INSTALL_HOME)),
            ],
        },
    }


def to_network(mtu: int | None = None) -> Json:
    """The bridge network of all our containers, which can't see each other on it; ``mtu`` is in bytes."""
    return {
        "Name": NETWORK,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Options": {_ICC: "false"} | ({} if mtu is None else {_MTU: str(mtu)}),
        "Labels": {translate.MANAGED: "true"},
    }


def is_closed(network: Mapping[str, Any]) -> bool:
    """Whether containers can't see each other on ``network``, as the engine has it."""
    return network.get("Driver") == "bridge" and (network.get("Options") or {}).get(_ICC) == "false"


def to_mtu(network: Mapping[str, Any]) -> int:
    """The MTU of ``network``, as the engine has it, in bytes."""
    text = str((network.get("Options") or {}).get(_MTU, ""))
    return int(text) if text.isdecimal() else DEFAULT_MTU


EVERY_LIGHTD: Final[Mapping[str, list[str]]] = {"label": [f"{translate.MANAGED}=true"]}
"""The filter that lets the containers of every lightd on the engine through."""


def to_filters(node: str) -> Mapping[str, list[str]]:
    """The filter that lets the containers of one node's name through."""
    return {"label": [f"{translate.MANAGED}=true", f"{translate.NODE}={node}"]}


def _to_labels(spec: ContainerSpec, role: Role, attempt: int, layout: Layout) -> dict[str, str]:
    return {
        translate.MANAGED: "true",
        translate.INTERNAL_ID: spec.internal_id,
        translate.NODE: layout.node,
        translate.JOURNAL: layout.journal_id,
        translate.ROLE: role.value,
        translate.ATTEMPT: str(attempt),
        translate.FINGERPRINT: to_fingerprint(spec, attempt),
        translate.BOUND: "",  # an image's labels are a container's, but for those that are given here
    }


def _to_program(spec: ContainerSpec, around: Surroundings) -> Json:
    """What is started and where, with its environment.

    The image's own entrypoint and command are those that are not given here, like its working directory.
    """
    first, found = {"HOME": HOME, **dict(around.environment)}, to_environment(spec, around.timezone)
    if spec.entrypoint == "image":
        return {"Env": _to_list(first, found.variables, entrypoint.to_image_environment())}
    return {
        "Entrypoint": ["/bin/sh", entrypoint.PATH],
        "Cmd": [],
        "WorkingDir": HOME,
        "Env": _to_list(first, found.variables, entrypoint.to_environment(found.command)),
    }


def _to_script(spec: ContainerSpec, layout: Layout) -> Json:
    source = f"{layout.folder(spec.internal_id)}{entrypoint.SCRIPT_PATH.removeprefix(DATA)}"
    return _to_mount(source, entrypoint.MOUNTED_SCRIPT_PATH, read_only=True)


def _to_list(*environments: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[str]:
    """The variables as Docker has them; a later one replaces an earlier one of its name."""
    found: dict[str, str] = {}
    for environment in environments:
        found.update(environment)
    return [f"{name}={value}" for name, value in found.items()]


def _to_confinement(capabilities: tuple[str, ...]) -> Json:
    return {
        "Init": True,
        "CapDrop": ["ALL"],
        "CapAdd": list(capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": NETWORK,
        "LogConfig": {"Type": "local", "Config": LOG},
        "OomScoreAdj": OOM_SCORE,
        "DnsOptions": [NO_RESOLVER],
        "ShmSize": SHM,
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "RestartPolicy": {"Name": "no"},
    }


def to_ceilings(memory: int | None, cpu: float | None, pids: int | None) -> Json:
    """What holds a container to those that are given."""
    ceilings: Json = {}
    if memory is not None:
        ceilings |= {"Memory": memory, "MemorySwap": memory}  # equal: no swap on top
    if cpu is not None:
        ceilings["NanoCpus"] = round(cpu * 1e9)
    if pids is not None:
        ceilings["PidsLimit"] = pids
    return ceilings


def _to_mount(source: str, target: str, *, read_only: bool = False) -> Json:
    # Unlike `Binds`, this kind makes no folder of root's where there is none.
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


_NO_CHECK: Final[Json] = {"Test": ["NONE"]}
"""Not the image's: it says how often Docker runs a program for it, up to a thousand times a second."""

_BOUND: Final = {translate.BOUND: str(ANYTHING_MB)}


def _to_temporary(megabytes: int) -> str:
    """The options of a file system in memory that programs may be run from."""
    return f"rw,exec,nosuid,nodev,mode=1777,size={megabytes}m,nr_inodes={megabytes * FILES_IN_TMP}"


def _to_memory(around: Surroundings, taken: Sequence[str]) -> list[Json]:
    """A file system in memory over each of the image's volumes that nothing else is mounted on."""
    paths = sorted({path for path in map(_to_plain, around.volumes) if path not in taken})
    size = max(around.tmp_mb // max(len(paths), 1), 1) * 1024**2
    options = {"SizeBytes": size, "Mode": 0o1777}
    return [{"Type": "tmpfs", "Target": path, "TmpfsOptions": options} for path in paths]


def _to_plain(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _is_beneath(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of ``folders`` or in one."""
    return any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _to_port(port: PortBinding) -> str:
    return f"{port.container_port}/{port.protocol}"


def _to_bindings(ports: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.ip, "HostPort": str(port.port)}
        bindings.setdefault(_to_port(port), []).append(binding)
    return bindings
