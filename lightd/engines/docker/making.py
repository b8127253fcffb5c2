"""How a container is made: its files on the host, its network, and the container itself under its name.

Names are deterministic, so what an interrupted call left behind is found again, and is taken for what was
asked for where its labels say that it was made from the same.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import trio

from actors.container.engine import EngineRefused, EngineUnavailable, Role
from actors.container.spec import ContainerSpec
from lightd.eggs.environment import to_environment
from lightd.eggs.errors import EggError
from lightd.engines.docker import names, recipe, translate
from lightd.engines.docker.containers import CONFLICT, Containers, someone_elses
from lightd.engines.docker.images import Image, Images
from lightd.engines.docker.network import Network
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.starting import look_at_mounts
from lightd.engines.docker.translate import Refused
from lightd.engines.host import entrypoint, folder
from lightd.files.jail import Owner

T = TypeVar("T")

TRIES: Final = 5  # to create, while somebody else takes and leaves the name


@attrs.define(eq=False)
class Maker:
    """Makes containers; the methods return their engine ids, and raise as those of ``engine.Engine``."""

    _layout: recipe.Layout
    _containers: Containers
    _network: Network
    _policy: Policy
    _images: Images

    async def installer(self, spec: ContainerSpec, attempt: int) -> str:
        """See ``Engine.create_installer``."""
        await trio.to_thread.run_sync(folder.check_there, self._layout.volume(spec))
        if spec.install is None:
            image_name, script = spec.image, spec.install_script or ""
            command = entrypoint.to_installer_script(script, spec.user)
        else:
            image_name, script = spec.install.image, spec.install.script
            command = entrypoint.to_program_script(spec.install.entrypoint, spec.user)
        files = {folder.INSTALLER: command, folder.SCRIPT: script}
        own = self._layout.folder(spec.internal_id)
        await _on_host(folder.write_files, own, files)
        await _on_host(folder.expect_hand_over, own, attempt, spec.user, spec.volume_id)
        image = await self._look_into(image_name)
        around = recipe.Surroundings(
            tmp_mb=self._policy.tmp_mb, volumes=image.volumes, timezone=self._policy.timezone
        )
        config = _filled(recipe.to_installer, spec, attempt, self._layout, around)
        return await self._create(spec, Role.INSTALLER, config, translate.ATTEMPT, None)

    async def server(self, spec: ContainerSpec, attempt: int, role: Role) -> str:
        """See ``Engine.create_server`` and ``Engine.create_candidate``."""
        await trio.to_thread.run_sync(folder.check_there, self._layout.volume(spec))
        await look_at_mounts([(mount.source, mount.target) for mount in spec.mounts], self._policy)
        own, owner = self._layout.folder(spec.internal_id), Owner.from_user(spec.user)
        script = entrypoint.to_script(
            _filled(to_environment, spec, self._policy.timezone).command, tty=spec.tty
        )
        image = await self._look_into(spec.image)
        files, name = await trio.to_thread.run_sync(_name_user, image, owner, spec.volume_id)
        await _on_host(folder.write_files, own, {folder.ENTRYPOINT: script, **files})
        await _on_host(folder.hand_over, self._layout.volume(spec), own, attempt, owner)
        around = recipe.Surroundings(
            read_only=self._policy.read_only if spec.read_only is None else spec.read_only,
            tmp_mb=self._policy.tmp_mb,
            volumes=image.volumes,
            files=tuple((f"/etc/{file}", f"{own}/{file}") for file in files),
            environment=(("USER", name), ("LOGNAME", name)),
            timezone=self._policy.timezone,
        )
        config = recipe.to_server(spec, attempt, self._layout, around)
        return await self._create(spec, role, config, translate.FINGERPRINT, image.image_id)

    async def _look_into(self, name: str) -> Image:
        image = await self._images.look(name)
        if len(image.volumes) > recipe.MOST_VOLUMES:
            raise EngineRefused(f"The image {name} declares more than {recipe.MOST_VOLUMES} volumes")
        return image

    async def _create(
        self, spec: ContainerSpec, role: Role, config: recipe.Json, identity: str, image_id: str | None
    ) -> str:
        """Create a container; one of the same name is reused if its label ``identity`` is the same.

        If ``image_id`` is given, it must also have been created from that image: the image's name may have
        led to another one then.
        """
        name = recipe.to_name(spec.internal_id, role)
        await self._network.ensure()
        for _ in range(TRIES):
            try:
                made = await self._containers.change("POST", "containers/create", config, name=name)
            except Refused as no:
                if no.status != CONFLICT:
                    raise EngineRefused(translate.to_refusal(no.message)) from None
            else:
                return await self._checked(str(made["Id"]))
            found = await self._containers.look(name)
            if found is None:
                await trio.sleep(0.05)  # its name outlives it for a moment
                continue
            if not self._containers.is_ours(found):
                raise someone_elses(name)
            same = found["Config"]["Labels"].get(identity) == config["Labels"][identity]
            same = same and image_id in (None, found["Image"])
            if same and found["State"]["Status"] not in translate.GOING:
                return str(found["Id"])
            await self._containers.remove(found["Id"])
        raise EngineUnavailable(f"The name {name} is taken by another program, again and again")

    async def _checked(self, engine_id: str) -> str:
        """The id of a container that has no volume of the engine's, which nothing would bound."""
        found = await self._containers.look(engine_id)
        if found is None:
            raise EngineUnavailable("The container was removed while it was being created")
        if any(mount["Type"] == "volume" for mount in found["Mounts"]):
            await self._containers.remove(engine_id)
            raise EngineRefused("The image's volumes cannot be replaced, or it was pulled again just now")
        return engine_id


def _filled(make: Callable[..., T], *args: object) -> T:
    """Return what ``make`` returns; raises ``EngineRefused`` for a command that gets too long."""
    try:
        return make(*args)
    except EggError as error:
        raise EngineRefused(f"startup_command: {error}") from None


def _name_user(image: Image, owner: Owner, volume_id: str) -> tuple[dict[str, bytes], str]:
    """The files that name the user, and the name. The image's own may have 100,000 lines."""
    files = names.to_files(image.passwd, image.group, owner, volume_id, recipe.HOME)
    return files, names.to_user_name(image.passwd, owner.uid)


async def _on_host(function: Callable[..., None], *args: object) -> None:
    """Run what blocks in a thread; what the host refuses, the engine does."""
    try:
        await trio.to_thread.run_sync(function, *args)
    except FileNotFoundError:
        raise EngineRefused("The volume does not exist") from None
    except OSError as error:
        raise EngineRefused(f"The container's files cannot be made ready: {error.strerror}") from None
