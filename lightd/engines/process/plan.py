"""Creates a supervisor's plan from a spec. Pure.

There is no image and no other root folder: the program sees the host. Its working directory and its ``HOME``
are the volume (``/home/container`` in Docker); its scripts are in the container's own folder (``/app/data``
in Docker). Its environment contains that of the container, and ``PATH``, ``HOME``, ``TERM`` on a terminal,
and ``LIGHTD_CONTAINER``, by which processes that a killed supervisor left are found.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from actors.container.engine import EngineRefused, Role
from actors.container.spec import ContainerSpec, Limits
from lightd.eggs.environment import TIMEZONE, to_environment
from lightd.eggs.errors import EggError
from lightd.engines.docker.recipe import INSTALLER_MEMORY, INSTALLER_PIDS, Layout
from lightd.engines.host import entrypoint, folder
from lightd.files.jail import Owner

IMAGE: Final = "host"
"""The only image: this machine."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK: Final = "LIGHTD_CONTAINER"


@attrs.frozen
class Place:
    """What a run needs besides its spec: the engine's ``path``, and the user that lightd runs as.

    ``own`` is None if that is root, which can run programs as any user. ``timezone`` is the host's.
    """

    layout: Layout
    path: str
    own: Owner | None
    timezone: str = TIMEZONE


def check(spec: ContainerSpec, own: Owner | None) -> None:
    """Raise ``EngineRefused`` for settings that are not possible without Docker."""
    check_image(spec.image)
    if spec.entrypoint == "image":
        raise EngineRefused('entrypoint: "image" is not possible without Docker; give a startup_command')
    if spec.install is not None:
        raise EngineRefused("install: not possible without Docker; use install_script")
    try:
        to_environment(spec)
    except EggError as error:  # its variables make it too long
        raise EngineRefused(f"startup_command: {error}") from None
    if spec.mounts:
        raise EngineRefused("mount: not possible without Docker; use paths of the host")
    for port in spec.ports:
        if port.port != port.container_port:
            raise EngineRefused(
                f"ports: {port.port}/{port.protocol} cannot lead to {port.container_port} without Docker;"
                f" set container_port to {port.port}"
            )
    if own is not None and Owner.from_user(spec.user) != own:
        raise EngineRefused(
            f"user: must be {own.uid}:{own.gid} if lightd is not root, not {spec.user}"
            " (docker.user in the configuration, user in the request)"
        )


def check_image(image: str) -> None:
    """Raise ``EngineRefused`` for an image other than ``host``."""
    if image != IMAGE:
        raise EngineRefused(
            f'image: {image} is not available, because this node runs programs of the host; use "{IMAGE}"'
        )


def to_fields(
    spec: ContainerSpec, role: Role, place: Place, engine_id: str, life: int, groups: Sequence[str]
) -> list[tuple[str, str]]:
    """The plan of one run, as pairs of field and value."""
    server = role is not Role.INSTALLER
    found = to_environment(spec, place.timezone)
    together = server and bool(entrypoint.to_environment(found.command))
    owner, layout = Owner.from_user(spec.user), place.layout
    script = f"{layout.folder(spec.internal_id)}/{folder.ENTRYPOINT if server else folder.INSTALLER}"
    tty = server and spec.tty
    environment: Mapping[str, str] = {
        "PATH": place.path,
        "HOME": layout.volume(spec),
        **({"TERM": "xterm"} if tty else {}),
        **dict(found.variables),
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
    """The limits of an installer, as in Docker: unpacking needs more memory than the server."""
    memory = None if limits.memory is None else max(limits.memory, INSTALLER_MEMORY)
    return attrs.evolve(limits, memory=memory, pids=max(limits.pids or 0, INSTALLER_PIDS))


def to_bytes(fields: Sequence[tuple[str, str]]) -> bytes:
    """The plan in the format that ``program.Plan`` reads."""
    return b"".join(f"{key}={value}\0".encode(errors="surrogateescape") for key, value in fields)


def to_installer(script: str, own_folder: str) -> str:
    """The command that runs ``install.sh`` as the server's user, which cannot change the host."""
    interpreter, option = entrypoint.to_interpreter(script)
    path, shell = shlex.quote(f"{own_folder}/{folder.SCRIPT}"), shlex.quote(interpreter)
    return (
        "#!/bin/sh\nexec 2>&1\n"
        f"if [ -x {shell} ]; then exec {shell} {option}{path}; else exec /bin/sh {path}; fi\n"
    )
