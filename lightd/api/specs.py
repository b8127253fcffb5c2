"""Turns the bodies of requests into specs and edits, and checks what the configuration allows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from actors.container.messages import Edit
from actors.container.spec import ContainerSpec, Mount
from lightd.api.container_fields import ContainerBody, check_contradictions, to_values
from lightd.api.errors import ApiError, bad_request
from lightd.config.rules import AUTO
from lightd.config.sections import Docker
from lightd.engines.host import mounts


async def to_spec(body: ContainerBody, docker: Docker) -> ContainerSpec:
    """Return the spec that ``body`` means; raises a 400, and a 403 for a mount that is not allowed.

    Its user may be ``auto``: see ``owners.with_user``.
    """
    if body.mount:
        await trio.to_thread.run_sync(_check_mounts, body.mount, docker.allowed_mounts)
    check_root(body.read_only, docker)
    user = body.user or str(docker.user)
    values = {**to_values(body), "user": user if ":" in user or user == str(AUTO) else f"{user}:{user}"}
    spec = ContainerSpec(**{"startup_command": "", **values})
    check_contradictions(spec)
    check_images(docker, install=spec.install is not None, entrypoint=spec.entrypoint)
    return spec


def to_edit(body: Any, docker: Docker) -> Edit:  # noqa: ANN401 - an EditBody, which is made of rows
    """Return the edit that ``body`` means; raises a 400, and a 403 for a setting that is not allowed."""
    check_root(body.read_only, docker)
    check_images(docker, install=False, entrypoint=body.entrypoint)
    return Edit(**to_values(body))


def check_images(docker: Docker, *, install: bool, entrypoint: str | None) -> None:
    """Raise a 400 for an installer or an entrypoint of an image where the engine has no images."""
    for name, given in (("install", install), ("entrypoint", entrypoint == "image")):
        if given and not docker.kind.isolated:
            raise bad_request(f"{name}: needs an image, which docker.engine = {docker.engine} does not have")


def check_root(read_only: bool | None, docker: Docker) -> None:  # noqa: FBT001 - a field of a body
    """Raise a 403 for a root file system that is to be writable where the configuration doesn't allow it."""
    if read_only is False and docker.read_only and not docker.allow_writable_root:
        message = (
            "read_only: the configuration allows no writable root file system (docker.allow_writable_root)"
        )
        raise ApiError("writable_root_not_allowed", message)


def _check_mounts(asked: Sequence[Mount], allowed: Sequence[Path]) -> None:
    for mount in asked:
        try:
            mounts.look(mount.source, mount.target, allowed)
        except mounts.MountMissing:
            continue  # it may be made before the container is
        except mounts.MountRefused as refused:
            raise ApiError("mount_not_allowed", str(refused)) from None
