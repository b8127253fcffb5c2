"""What every preparer of servers does: ``actors.container.preparation.Preparer``."""

from typing import Protocol

import pytest

from actors.container.preparation import Preparer, Unprepared
from actors.container.spec import ContainerSpec


class PreparerScene(Protocol):
    """A preparer, and specs that it is asked for. ``state`` is what the volume has of it."""

    preparer: Preparer

    def fine(self) -> ContainerSpec:
        """A spec whose volume can be prepared."""

    def refused(self) -> ContainerSpec:
        """A spec that must not be started."""

    def doubtful(self) -> ContainerSpec:
        """A spec that can be started, while something that is not needed for it cannot be made."""

    def state(self) -> object:
        """What the volume contains now."""


async def check_second_preparation_changes_nothing(scene):
    said = []
    await scene.preparer.prepare(scene.fine(), said.append)
    before = scene.state()
    await scene.preparer.prepare(scene.fine(), said.append)
    assert scene.state() == before


async def check_refusal_is_one_sentence(scene):
    before = scene.state()
    with pytest.raises(Unprepared) as refused:
        await scene.preparer.prepare(scene.refused(), lambda _: None)
    assert str(refused.value)
    assert "\n" not in str(refused.value)
    assert scene.state() == before


async def check_warning_is_said_and_refuses_no_start(scene):
    said = []
    await scene.preparer.prepare(scene.doubtful(), said.append)
    assert len(said) == 1
    assert all("\n" not in line for line in said)
