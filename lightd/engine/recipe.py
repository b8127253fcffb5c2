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
from collections.abc import Mapping
from typing import Any, Final

import attrs

from actors.container.engine import Role
from actors.container.spec import ContainerSpec, PortBinding
from lightd.engine import entrypoint, translate

Json = dict[str, Any]

NETWORK: Final = "lightd"
_ICC: Final = "com.docker.network.bridge.enable_icc"
HOME: Final = "/home/container"
DATA: Final = "/app/data"
INSTALL_HOME: Final = "/mnt/server"
"""Where the install scripts of panels expect the volume; it is at ``HOME`` too."""

SERVER_CAPABILITIES: Final = ("CHOWN", "KILL", "SETGID", "SETUID")
INSTALLER_CAPABILITIES: Final = (*SERVER_CAPABILITIES, "DAC_OVERRIDE", "FOWNER", "FSETID")

INSTALLER_MEMORY: Final = 1024**3
"""Bytes that an installer has at least: unpacking takes more than the small servers that it unpacks."""

INSTALLER_PIDS: Final = 1024

SERVER_PIDS: Final = 4096
"""Processes and threads of a server whose limits name no number: more than games need, less than bombs do."""

OOM_SCORE: Final = 500
"""Where the host itself is out of memory, the kernel takes a server before the daemon or Docker: proc(5)."""

_PREFIXES: Final[Mapping[Role, str]] = {
    Role.SERVER: "lightd-",
    Role.INSTALLER: "lightd.installer-",
    Role.CANDIDATE: translate.CANDIDATE_PREFIX,
}


@attrs.frozen
class Layout:
    """Where things are on the host, and whose they are: ``node`` is this daemon's name among others."""

    node: str
    containers_path: str
    volumes_path: str

    def folder(self, internal_id: str) -> str:
        """The container's own folder, ``/app/data`` in it."""
        return f"{self.containers_path}/{internal_id}"

    def volume(self, spec: ContainerSpec) -> str:
        """The volume, ``/home/container`` in the container."""
        return f"{self.volumes_path}/{spec.volume_id}"


def to_name(internal_id: str, role: Role) -> str:
    """The container's name in Docker, the same for every attempt.

    No id makes one of these out of another: none begins with a ``.`` or holds what ends such a beginning.
    """
    return _PREFIXES[role] + internal_id


def to_fingerprint(spec: ContainerSpec, attempt: int) -> str:
    """Equal for equal specs in the same attempt, and for nothing else."""
    text = json.dumps([attrs.asdict(spec), attempt], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def to_server(spec: ContainerSpec, attempt: int, layout: Layout) -> Json:
    """The container that runs the startup command."""
    limits = spec.limits
    return {
        "Image": spec.image,
        "User": spec.user,
        "Entrypoint": ["/bin/sh", entrypoint.PATH],
        "Cmd": [],
        "WorkingDir": HOME,
        "Env": _to_environment({"HOME": HOME}, spec, entrypoint.to_environment(spec.startup_command)),
        "Tty": spec.tty,
        "OpenStdin": True,
        "StdinOnce": False,
        "Labels": _to_labels(spec, Role.SERVER, attempt, layout),
        "ExposedPorts": {_to_port(port): {} for port in spec.ports},
        "HostConfig": {
            **_to_confinement(SERVER_CAPABILITIES),
            **to_ceilings(limits.memory, limits.cpu, limits.pids or SERVER_PIDS),
            "Mounts": [
                _to_mount(layout.volume(spec), HOME),
                _to_mount(layout.folder(spec.internal_id), DATA, read_only=True),
                *(_to_mount(mount.source, mount.target) for mount in spec.mounts),
            ],
            "PortBindings": _to_bindings(spec.ports),
        },
    }


def to_installer(spec: ContainerSpec, attempt: int, layout: Layout) -> Json:
    """The container that runs the install script, as root and without a terminal."""
    limits = spec.limits
    memory = None if limits.memory is None else max(limits.memory, INSTALLER_MEMORY)
    pids = max(limits.pids or 0, INSTALLER_PIDS)
    return {
        "Image": spec.image,
        "User": "0:0",
        "Entrypoint": ["/bin/sh", entrypoint.INSTALLER_PATH],
        "Cmd": [],
        "WorkingDir": HOME,
        "Env": _to_environment({"HOME": "/root"}, spec, ()),
        "Tty": False,
        "OpenStdin": False,
        "Labels": _to_labels(spec, Role.INSTALLER, attempt, layout),
        "HostConfig": {
            **_to_confinement(INSTALLER_CAPABILITIES),
            **to_ceilings(memory, limits.cpu, pids),
            "Mounts": [
                _to_mount(layout.volume(spec), HOME),
                _to_mount(layout.volume(spec), INSTALL_HOME),
                _to_mount(layout.folder(spec.internal_id), DATA, read_only=True),
            ],
        },
    }


def to_network() -> Json:
    """The bridge network of all our containers, which can't see each other on it."""
    return {
        "Name": NETWORK,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Options": {_ICC: "false"},
        "Labels": {translate.MANAGED: "true"},
    }


def is_closed(network: Mapping[str, Any]) -> bool:
    """Whether containers can't see each other on ``network``, as the engine has it."""
    return network.get("Driver") == "bridge" and (network.get("Options") or {}).get(_ICC) == "false"


def to_filters(node: str) -> Mapping[str, list[str]]:
    """The filter that lets this node's containers through."""
    return {"label": [f"{translate.MANAGED}=true", f"{translate.NODE}={node}"]}


def _to_labels(spec: ContainerSpec, role: Role, attempt: int, layout: Layout) -> dict[str, str]:
    return {
        translate.MANAGED: "true",
        translate.INTERNAL_ID: spec.internal_id,
        translate.NODE: layout.node,
        translate.ROLE: role.value,
        translate.ATTEMPT: str(attempt),
        translate.FINGERPRINT: to_fingerprint(spec, attempt),
    }


def _to_environment(
    first: Mapping[str, str], spec: ContainerSpec, last: tuple[tuple[str, str], ...]
) -> list[str]:
    return [f"{name}={value}" for name, value in {**first, **dict(spec.environment), **dict(last)}.items()]


def _to_confinement(capabilities: tuple[str, ...]) -> Json:
    return {
        "Init": True,
        "CapDrop": ["ALL"],
        "CapAdd": list(capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": NETWORK,
        "LogConfig": {"Type": "local", "Config": {"max-size": "5m", "max-file": "2"}},
        "OomScoreAdj": OOM_SCORE,
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


def _to_port(port: PortBinding) -> str:
    return f"{port.container_port}/{port.protocol}"


def _to_bindings(ports: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.ip, "HostPort": str(port.port)}
        bindings.setdefault(_to_port(port), []).append(binding)
    return bindings
