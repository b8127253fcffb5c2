"""Prepares the host's files for a run and checks that its user can access them. Blocks."""

import os
import stat
from pathlib import Path

from actors.container.engine import EngineRefused, Role
from actors.container.spec import ContainerSpec
from lightd.eggs.environment import to_environment
from lightd.engines.docker.recipe import Layout
from lightd.engines.host import entrypoint, folder
from lightd.engines.process import plan
from lightd.files.jail import Owner


def prepare(layout: Layout, spec: ContainerSpec, role: Role, attempt: int) -> None:
    """Write the scripts of a run and give the volume to its user."""
    owner = Owner.from_user(spec.user)
    volume, own = layout.volume(spec), layout.folder(spec.internal_id)
    folder.check_there(volume)
    check_reachable(volume, owner)
    script = spec.install_script or ""
    files = {folder.ENTRYPOINT: entrypoint.to_script(to_environment(spec).command, tty=spec.tty)}
    if role is Role.INSTALLER:
        files = {folder.INSTALLER: plan.to_installer(script, own), folder.SCRIPT: script}
    try:
        folder.write_files(own, files)
        folder.hand_over(volume, own, attempt, owner)
    except OSError as error:
        raise EngineRefused(f"The files of the container cannot be prepared: {error.strerror}") from None


def check_reachable(path: str, owner: Owner) -> None:
    """Raise ``EngineRefused`` if a parent folder of ``path`` is not searchable for ``owner``."""
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
                f"The volume is not accessible to the user {owner.uid}:{owner.gid}: a parent folder is not"
                " searchable for it. Run chmod o+x on the parent folders of storage.volumes_path"
            )
