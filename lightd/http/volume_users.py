"""The user of a volume and of its servers, if each volume has one of its own (``docker.user``: auto)."""

from functools import partial

import attrs

from actors.container.spec import ContainerSpec
from actors.volumes import messages
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import bad_request, not_found
from lightd.config.rules import AUTO
from lightd.files.jail import Owner
from lightd.files.operations import give_all
from lightd.system import System


def to_users(system: System) -> tuple[int, int] | None:
    """Return the first and the last user for volumes, None if volumes have no users of their own."""
    docker = system.config.docker
    return (docker.user_range.first, docker.user_range.last) if docker.user == AUTO else None


async def hand_over(system: System, volume_id: str) -> None:
    """Give the volume's new folder to its user, if it has one of its own."""
    uid = system.volumes.view.state.volumes[volume_id].uid
    if uid is not None:
        await system.folders.run(volume_id, partial(give_all, owner=Owner(uid, uid)))


async def with_user(system: System, spec: ContainerSpec) -> ContainerSpec:
    """Return ``spec`` with the user of its volume if it has none; the volume must exist.

    A volume without a user, from an earlier configuration, gets one with its first new container, unless
    other containers use it: then it gets theirs. Raises a 400 for the user of another volume.
    """
    users, volumes = to_users(system), system.volumes.view.state.volumes
    if spec.user != str(AUTO):
        uid = int(spec.user.partition(":")[0])
        if users is not None and users[0] <= uid <= users[1] and uid != volumes[spec.volume_id].uid:
            raise bad_request(f"user: {uid} is in docker.user_range and not this volume's")
        return spec
    if volumes[spec.volume_id].uid is None:
        for member in system.fleet:
            if member.state.spec is not None and member.state.spec.volume_id == spec.volume_id:
                return attrs.evolve(spec, user=member.state.spec.user)
        docker = system.config.docker
        command = messages.Assign(
            spec.volume_id, (docker.user_range.first, docker.user_range.last), system.reserved
        )
        await settle(partial(system.volumes.ref.ask, command, begin_operation()))
    volume = system.volumes.view.state.volumes.get(spec.volume_id)
    if volume is None or volume.uid is None:
        raise not_found("volume")
    uid = volume.uid
    return attrs.evolve(spec, user=f"{uid}:{uid}")
