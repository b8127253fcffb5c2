"""Which volumes exist, by example."""

import pytest

from actors.kernel.decider import Rejection, replay
from actors.volumes.decider import DECIDER, State, Volume, decide, effects
from actors.volumes.messages import Create, Delete, Resize, VolumeCreated, VolumeDeleted, VolumeResized

CREATED = (VolumeCreated("v1", 512, 1.0),)


def given(past):
    return replay(DECIDER, DECIDER.initial, past)


def refused(past, message):
    with pytest.raises(Rejection) as rejection:
        decide(given(past), message)
    return rejection.value.code, rejection.value.message


def test_a_volume_is_created_with_its_quota():
    assert decide(given(()), Create("v1", 512, 1.0)) == CREATED
    assert given(CREATED) == State({"v1": Volume("v1", 512, 1.0)})


def test_a_volume_is_created_once():
    assert refused(CREATED, Create("v1", None, 2.0)) == ("already_exists", "volume v1 exists already")


def test_a_volume_gets_another_size_once():
    resized = (VolumeResized("v1", 1024),)
    assert decide(given(CREATED), Resize("v1", 1024)) == resized
    assert given((*CREATED, *resized)) == State({"v1": Volume("v1", 1024, 1.0)})
    assert decide(given((*CREATED, *resized)), Resize("v1", 1024)) == ()


def test_a_volume_without_a_size_can_get_one():
    past = (VolumeCreated("v1", None, 1.0),)
    assert decide(given(past), Resize("v1", 1)) == (VolumeResized("v1", 1),)


def test_a_volume_that_is_not_there_can_not_be_resized():
    assert refused((), Resize("v1", 1)) == ("not_found", "no such volume")
    assert refused((*CREATED, VolumeDeleted("v1")), Resize("v1", 1)) == ("not_found", "no such volume")


def test_a_volume_is_deleted():
    assert decide(given(CREATED), Delete("v1")) == (VolumeDeleted("v1"),)
    assert given((*CREATED, VolumeCreated("v2", None, 2.0), VolumeDeleted("v1"))) == State(
        {"v2": Volume("v2", None, 2.0)}
    )


def test_a_volume_that_is_not_there_can_not_be_deleted():
    assert refused((), Delete("v1")) == ("not_found", "no such volume")


def test_volumes_are_kept_in_the_order_of_their_creation():
    past = tuple(VolumeCreated(f"v{n}", None, float(n)) for n in (3, 1, 2))
    assert list(given(past).volumes) == ["v3", "v1", "v2"]


def test_volumes_have_no_work_of_their_own():
    assert effects(given(CREATED)) == frozenset()
