"""What a client asks of a container, as the actors want it told; and what is allowed to be asked."""

import signal
from collections.abc import Sequence
from pathlib import Path

import trio

from actors.container.messages import Edit
from actors.container.spec import ContainerSpec, Limits, Mount, PortBinding, RestartPolicy, StopPolicy
from lightd.api.bodies import BindingBody, ContainerBody, EditBody, LimitsBody, RestartBody, StopBody
from lightd.api.errors import ApiError, bad_request
from lightd.config.rules import AUTO
from lightd.config.sections import Docker
from lightd.engines.host import mounts

MOST_PORTS = 64
"""Ports of one container. Each takes one of the pool and a process of Docker's (docker-proxy). Panels map
ranges to a server, for queries, voice or passive FTP: a few dozen."""


async def to_spec(body: ContainerBody, docker: Docker) -> ContainerSpec:
    """Return the spec that ``body`` means; raises a 400, and a 403 for a mount that isn't allowed.

    Its user may be ``auto``: see ``owners.with_user``.
    """
    if body.mount:
        await trio.to_thread.run_sync(_check_mounts, body.mount, docker.allowed_mounts)
    check_root(body.read_only, docker)
    user = body.user or str(docker.user)
    return ContainerSpec(
        internal_id=body.internal_id,
        image=body.image,
        volume_id=body.volume_id,
        startup_command=body.startup_command,
        start_pattern=body.start_pattern,
        ports=to_bindings(body.ports),
        limits=_to_limits(body.limits),
        mounts=body.mount,
        install_script=body.install_script,
        environment=body.environment,
        user=user if ":" in user or user == str(AUTO) else f"{user}:{user}",
        tty=body.tty,
        stop=_to_stop(body.stop),
        restart_policy=_to_policy(body.restart_policy),
        read_only=body.read_only,
    )


def to_edit(body: EditBody, docker: Docker) -> Edit:
    """Return the edit that ``body`` means; raises a 400, and a 403 for what isn't allowed."""
    check_root(body.read_only, docker)
    return Edit(
        startup_command=body.startup_command,
        start_pattern=body.start_pattern,
        environment=body.environment,
        stop=None if body.stop is None else _to_stop(body.stop),
        restart_policy=None if body.restart_policy is None else _to_policy(body.restart_policy),
        limits=None if body.limits is None else _to_limits(body.limits),
        read_only=body.read_only,
    )


def check_root(read_only: bool | None, docker: Docker) -> None:  # noqa: FBT001 - a field of a body
    """Raise a 403 for a root file system that is to be writable where the configuration doesn't allow it."""
    if read_only is False and docker.read_only and not docker.allow_writable_root:
        message = (
            "read_only: the configuration allows no writable root file system (docker.allow_writable_root)"
        )
        raise ApiError("writable_root_not_allowed", message)


def _to_limits(body: LimitsBody) -> Limits:
    return Limits(body.memory, body.cpu, body.pids)


def _to_policy(body: RestartBody) -> RestartPolicy:
    return RestartPolicy(body.mode, body.max, body.within)


def to_bindings(ports: Sequence[BindingBody]) -> tuple[PortBinding, ...]:
    """Return the bindings that ``ports`` mean; raises a 400."""
    if len(ports) > MOST_PORTS:
        raise bad_request(f"ports: must be at most {MOST_PORTS} ports")
    keys = [(port.ip, port.port, port.protocol) for port in ports]
    if len(set(keys)) < len(keys):
        raise bad_request("ports: one is given twice")
    return tuple(
        PortBinding(port.ip, port.port, port.protocol, port.container_port or port.port) for port in ports
    )


def _to_stop(body: StopBody) -> StopPolicy:
    if body.type == "command":
        if body.value is None:
            raise bad_request("stop.value: is missing; it is the command")
        return StopPolicy("command", body.value, body.timeout)
    value = body.value or "SIGTERM"
    if not value.startswith("SIG") or value not in signal.Signals.__members__:
        raise bad_request("stop.value: must be the name of a signal, such as SIGTERM")
    return StopPolicy("signal", value, body.timeout)


def _check_mounts(asked: Sequence[Mount], allowed: Sequence[Path]) -> None:
    for mount in asked:
        try:
            mounts.look(mount.source, mount.target, allowed)
        except mounts.MountMissing:
            continue  # it may be made before the container is
        except mounts.MountRefused as refused:
            raise ApiError("mount_not_allowed", str(refused)) from None
