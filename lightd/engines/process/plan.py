"""What a supervisor is told to run, made of a spec. Pure.

There is no image and no other root: the program sees the host. Its folder and its ``HOME`` are the volume,
``/home/container`` in Docker; its scripts lie in the container's own folder, ``/app/data`` in Docker.
Its environment is the container's, and what no program can do without: ``PATH``, ``HOME``, ``TERM`` on a
terminal, and ``LIGHTD_CONTAINER``, by which what a killed supervisor leaves behind is found.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from actors.container.engine import EngineRefused, Role
from actors.container.spec import ContainerSpec, Limits
from lightd.engines.docker.recipe import INSTALLER_MEMORY, INSTALLER_PIDS, Layout
from lightd.engines.host import entrypoint, folder
from lightd.files.jail import Owner

IMAGE: Final = "host"
"""The one image: this machine, as it is."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK: Final = "LIGHTD_CONTAINER"


@attrs.frozen
class Place:
    """What a run is given besides its spec: the engine's own ``path``, and whom lightd itself runs as.

    ``own`` is None for root, who may be anybody.
    """

    layout: Layout
    path: str
    own: Owner | None


def check(spec: ContainerSpec, own: Owner | None) -> None:
    """Raise ``EngineRefused`` for what can't be had without Docker."""
    check_image(spec.image)
    if spec.mounts:
        raise EngineRefused("mount: a node without Docker shows nothing under another path")
    for port in spec.ports:
        if port.port != port.container_port:
            raise EngineRefused(
                f"Port {port.port}/{port.protocol} can't lead to port {port.container_port}: without Docker"
                " the program binds the host's port itself, so container_port must be the same"
            )
    if own is not None and Owner.from_user(spec.user) != own:
        raise EngineRefused(
            f"lightd isn't root, so programs run as {own.uid}:{own.gid} alone, not as {spec.user}"
            " (docker.user in the configuration, user in the request)"
        )


def check_image(image: str) -> None:
    """Raise ``EngineRefused`` for an image."""
    if image != IMAGE:
        raise EngineRefused(
            f"There is no image {image}: this node has no Docker and runs programs of its host;"
            f' "{IMAGE}" is its only image'
        )


def to_fields(
    spec: ContainerSpec, role: Role, place: Place, engine_id: str, life: int, groups: Sequence[str]
) -> list[tuple[str, str]]:
    """The plan of one life, field by field."""
    server = role is not Role.INSTALLER
    together = server and bool(entrypoint.to_environment(spec.startup_command))
    owner, layout = Owner.from_user(spec.user), place.layout
    script = f"{layout.folder(spec.internal_id)}/{folder.ENTRYPOINT if server else folder.INSTALLER}"
    tty = server and spec.tty
    environment: Mapping[str, str] = {
        "PATH": place.path,
        "HOME": layout.volume(spec),
        **({"TERM": "xterm"} if tty else {}),
        **dict(spec.environment),
        MARK: engine_id,
    }
    return [
        ("life", str(life)),
        ("argument", "/bin/sh"),
        ("argument", script),
        ("folder", layout.volume(spec)),
        ("uid", str(owner.uid)),
        ("gid", str(owner.gid)),
        ("tty", str(int(tty))),
        ("together", str(int(together))),
        *(("group", path) for path in groups),
        *(("set", f"{name}={value}") for name, value in environment.items()),
    ]


def to_installer_limits(limits: Limits) -> Limits:
    """The ceilings of an installer, as in Docker: unpacking takes more than what it unpacks."""
    memory = None if limits.memory is None else max(limits.memory, INSTALLER_MEMORY)
    return attrs.evolve(limits, memory=memory, pids=max(limits.pids or 0, INSTALLER_PIDS))


def to_bytes(fields: Sequence[tuple[str, str]]) -> bytes:
    """The plan as ``program.Plan`` reads it."""
    return b"".join(f"{key}={value}\0".encode(errors="surrogateescape") for key, value in fields)


def to_installer(script: str, own_folder: str) -> str:
    """The text that runs ``install.sh``, as the server's user: the host is nobody's to install on."""
    interpreter, option = entrypoint.to_interpreter(script)
    path, shell = shlex.quote(f"{own_folder}/{folder.SCRIPT}"), shlex.quote(interpreter)
    return (
        "#!/bin/sh\nexec 2>&1\n"
        f"if [ -x {shell} ]; then exec {shell} {option}{path}; else exec /bin/sh {path}; fi\n"
    )
