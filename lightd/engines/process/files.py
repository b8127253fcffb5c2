"""The files of the host that a life starts from, and whether its user reaches them. All of it blocks."""

import os
import stat
from pathlib import Path

from actors.container.engine import EngineRefused, Role
from actors.container.spec import ContainerSpec
from lightd.engines.docker.recipe import Layout
from lightd.engines.host import entrypoint, folder
from lightd.engines.process import plan
from lightd.files.jail import Owner


def prepare(layout: Layout, spec: ContainerSpec, role: Role, attempt: int) -> None:
    """Have the scripts there that a life starts from, and the volume be its user's."""
    owner = Owner.from_user(spec.user)
    volume, own = layout.volume(spec), layout.folder(spec.internal_id)
    folder.check_there(volume)
    check_reachable(volume, owner)
    script = spec.install_script or ""
    files = {folder.ENTRYPOINT: entrypoint.to_script(spec.startup_command, tty=spec.tty)}
    if role is Role.INSTALLER:
        files = {folder.INSTALLER: plan.to_installer(script, own), folder.SCRIPT: script}
    try:
        folder.write_files(own, files)
        folder.hand_over(volume, own, attempt, owner)
    except OSError as error:
        raise EngineRefused(f"The container's files can't be made ready: {error.strerror}") from None


def check_reachable(path: str, owner: Owner) -> None:
    """Raise ``EngineRefused`` where a folder above ``path`` is closed to ``owner``, who has no other way."""
    if owner.uid == 0:
        return
    for above in Path(path).parents:
        status = os.stat(above)
        if status.st_uid == owner.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == owner.gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not status.st_mode & bit:
            raise EngineRefused(
                f"The volume can't be reached by the user {owner.uid}:{owner.gid}: a folder above it is"
                " closed to them, and without Docker programs go the host's way (storage.volumes_path)"
            )
