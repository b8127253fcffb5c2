"""Which volumes exist, by example."""

import pytest

from actors.kernel.decider import Rejection, replay
from actors.volumes.decider import DECIDER, State, Volume, decide, effects
from actors.volumes.messages import (
    Adopt,
    Assign,
    Create,
    Delete,
    Resize,
    VolumeCreated,
    VolumeDeleted,
    VolumeOwnerAssigned,
    VolumeResized,
)

CREATED = (VolumeCreated("v1", 512, 1.0),)


def given(past):
    return replay(DECIDER, DECIDER.initial, past)


def refused(past, message):
    with pytest.raises(Rejection) as rejection:
        decide(given(past), message)
    return rejection.value.code, rejection.value.message


def test_volume_is_created_with_its_quota():
    assert decide(given(()), Create("v1", 512, 1.0)) == CREATED
    assert given(CREATED) == State({"v1": Volume("v1", 512, 1.0)})


def test_volume_is_created_once():
    assert refused(CREATED, Create("v1", None, 2.0)) == ("already_exists", "volume v1 exists already")


def test_volume_gets_another_size_once():
    resized = (VolumeResized("v1", 1024),)
    assert decide(given(CREATED), Resize("v1", 1024)) == resized
    assert given((*CREATED, *resized)) == State({"v1": Volume("v1", 1024, 1.0)})
    assert decide(given((*CREATED, *resized)), Resize("v1", 1024)) == ()


def test_volume_without_a_size_can_get_one():
    past = (VolumeCreated("v1", None, 1.0),)
    assert decide(given(past), Resize("v1", 1)) == (VolumeResized("v1", 1),)


def test_volume_that_is_not_there_can_not_be_resized():
    assert refused((), Resize("v1", 1)) == ("not_found", "no such volume")
    assert refused((*CREATED, VolumeDeleted("v1")), Resize("v1", 1)) == ("not_found", "no such volume")


def test_volume_is_deleted():
    assert decide(given(CREATED), Delete("v1")) == (VolumeDeleted("v1"),)
    assert given((*CREATED, VolumeCreated("v2", None, 2.0), VolumeDeleted("v1"))) == State(
        {"v2": Volume("v2", None, 2.0)}
    )


def test_volume_that_is_not_there_can_not_be_deleted():
    assert refused((), Delete("v1")) == ("not_found", "no such volume")


def test_volumes_are_kept_in_the_order_of_their_creation():
    past = tuple(VolumeCreated(f"v{n}", None, float(n)) for n in (3, 1, 2))
    assert list(given(past).volumes) == ["v3", "v1", "v2"]


def test_volumes_have_no_work_of_their_own():
    assert effects(given(CREATED)) == frozenset()


USERS = (900, 902)


def owned(*uids):
    """The events of volumes that got these users, in this order."""
    return tuple(
        event
        for uid in uids
        for event in (VolumeCreated(f"v{uid}", None, 1.0), VolumeOwnerAssigned(f"v{uid}", uid))
    )


def test_each_volume_gets_a_user_of_its_own():
    created = decide(State(), Create("v1", None, 1.0, USERS))
    assert created == (VolumeCreated("v1", None, 1.0), VolumeOwnerAssigned("v1", 900))
    assert decide(given(created), Create("v2", None, 1.0, USERS))[1] == VolumeOwnerAssigned("v2", 901)
    assert given(created).volumes["v1"].uid == 900


def test_user_is_given_again_only_after_all_others_were():
    state = given((*owned(900), VolumeDeleted("v900")))
    assert decide(state, Create("v2", None, 1.0, USERS))[1] == VolumeOwnerAssigned("v2", 901)
    state = given((*owned(900, 901, 902), VolumeDeleted("v901")))
    assert decide(state, Create("v2", None, 1.0, USERS))[1] == VolumeOwnerAssigned("v2", 901)
    assert refused(owned(900, 901, 902), Create("v2", None, 1.0, USERS)) == (
        "no_free_user",
        "every user of docker.user_range has a volume: make the range larger",
    )


def test_volume_keeps_its_user_when_it_is_resized_and_the_range_changes():
    state = given((*owned(900), VolumeResized("v900", 5)))
    assert (state.volumes["v900"].uid, state.volumes["v900"].quota_mb) == (900, 5)
    assert decide(state, Assign("v900", (70, 80))) == ()
    assert decide(state, Create("v2", None, 1.0, (70, 80)))[1] == VolumeOwnerAssigned("v2", 70)


def test_older_volume_can_be_given_a_user():
    assert decide(given(CREATED), Assign("v1", USERS)) == (VolumeOwnerAssigned("v1", 900),)
    assert refused((), Assign("v1", USERS)) == ("not_found", "no such volume")


def test_volume_of_a_lost_journal_is_adopted_once_with_its_user():
    adopted = (VolumeCreated("v1", 512, 1.0), VolumeOwnerAssigned("v1", 900_003))
    assert decide(given(()), Adopt("v1", 512, 1.0, 900_003)) == adopted
    assert decide(given(()), Adopt("v1", 512, 1.0, None)) == CREATED
    another = (VolumeCreated("v2", None, 1.0), VolumeOwnerAssigned("v2", 900_004))
    assert decide(given(another), Adopt("v1", 512, 1.0, 900_003)) == adopted
    assert refused(adopted, Adopt("v1", 512, 1.0, 900_003))[0] == "already_exists"


def test_volume_whose_user_another_volume_has_by_now_is_not_adopted():
    past = (*CREATED, VolumeOwnerAssigned("v1", 900_003))
    assert refused(past, Adopt("v2", None, 1.0, 900_003)) == (
        "not_adoptable",
        "user 900003 of volume v2 is that of volume v1 now",
    )


def test_user_of_a_volume_that_may_be_adopted_is_given_to_no_other():
    users, reserved = (900_000, 900_002), frozenset({900_000, 900_002})
    created = decide(given(()), Create("v1", None, 1.0, users, reserved))
    assert created[1] == VolumeOwnerAssigned("v1", 900_001)
    assert decide(given(CREATED), Assign("v1", users, reserved)) == (created[1],)
    assert refused(created, Create("v2", None, 1.0, users, reserved))[0] == "no_free_user"
