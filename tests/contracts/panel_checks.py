"""What every panel must do. A ``check_*`` takes a ``Panel`` and ``become``, which makes it good or bad."""

import trio

from actors.remotesync.panel import Accepted, Later, Refused
from actors.remotesync.updates import Fault, Status

READY = Status("ready")


async def check_good_panel_accepts_every_frame_again_and_again_and_is_well(panel, become):
    become("good")
    for frame in (READY, Fault("failed", "no space"), READY):
        assert await panel.update("n1-1", "s1", frame) == Accepted()
    assert await panel.health() is None


async def check_refusal_says_why(panel, become):
    become("refusing")
    outcome = await panel.update("n1-1", "s1", READY)
    assert isinstance(outcome, Refused)
    assert outcome.reason


async def check_broken_panel_is_a_failure_of_one_server(panel, become):
    become("broken")
    outcome = await panel.update("n1-1", "s1", READY)
    assert isinstance(outcome, Later)
    assert not outcome.panel_wide
    assert await panel.health()


async def check_panel_that_is_down_is_a_panel_wide_failure(panel, become):
    become("down")
    outcome = await panel.update("n1-1", "s1", READY)
    assert isinstance(outcome, Later)
    assert outcome.panel_wide
    assert await panel.health()


async def check_call_may_be_cancelled_and_the_next_one_is_as_good_as_ever(panel, become):
    become("hanging")
    for call in (lambda: panel.update("n1-1", "s1", READY), panel.health):
        with trio.move_on_after(0.1) as scope:
            await call()
        assert scope.cancelled_caught
    become("good")
    assert await panel.update("n1-1", "s1", READY) == Accepted()
    assert await panel.health() is None
