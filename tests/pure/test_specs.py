"""What the configuration and the engine allow of a new container's settings."""

import attrs
import pytest

from lightd.api.container_fields import ContainerBody, InstallBody
from lightd.api.errors import ApiError
from lightd.api.specs import check_images, to_spec
from lightd.config.sections import Docker

BODY = ContainerBody("s1", "host", "3f0c1a52-6a0e-4b44-9d5e-0d1c7a1f9b1e", "run")
PROCESS = Docker(engine="process")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"install": InstallBody("installers:1", "echo one")}, "install"),
        ({"entrypoint": "image", "startup_command": None}, "entrypoint"),
    ],
)
async def test_settings_that_need_an_image_are_refused_where_the_engine_has_none(changes, field):
    body = attrs.evolve(BODY, **changes)
    with pytest.raises(ApiError, match=f"^{field}: needs an image, which docker.engine = process does not"):
        await to_spec(body, PROCESS)
    assert (await to_spec(body, Docker())).internal_id == "s1"


async def test_command_can_be_missing_only_with_the_entrypoint_of_an_image():
    body = attrs.evolve(BODY, startup_command=None)
    with pytest.raises(ApiError, match=r"^startup_command: is missing$"):
        await to_spec(body, Docker())
    assert (await to_spec(attrs.evolve(body, entrypoint="image"), Docker())).startup_command == ""


def test_entrypoint_of_an_edit_is_checked_too():
    check_images(PROCESS, install=False, entrypoint="shell")
    check_images(PROCESS, install=False, entrypoint=None)
    with pytest.raises(ApiError, match=r"^entrypoint: "):
        check_images(PROCESS, install=False, entrypoint="image")
