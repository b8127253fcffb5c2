"""The end of a socket whose token expires, in virtual time."""

import attrs
import pytest
import trio

from lightd.http.live.expiry import expiring

EPOCH = 1_700_000_000.0


@attrs.define(eq=False)
class Viewer:
    """A socket that notes what it is sent, and when; ``seconds`` is what each write takes."""

    seconds: float = 0.0
    record: list = attrs.field(factory=list)

    async def write(self, framed):
        self.record.append((trio.current_time(), framed.decode(errors="replace")))
        await trio.sleep(self.seconds)


def clock():
    return EPOCH + trio.current_time()


async def ended_after(viewer, ttl, clock=clock):
    with trio.CancelScope() as scope:
        async with expiring(viewer, scope, None if ttl is None else clock() + ttl, clock):
            await trio.sleep(80_000.0)
    return scope.cancelled_caught, trio.current_time()


@pytest.mark.parametrize(
    ("ttl", "told_at", "told"),
    [
        (3600.0, 3540.0, "in 60 seconds"),
        (60.0, 0.0, "in 60 seconds"),
        (59.25, 0.0, "in 60 seconds"),
        (12.0, 0.0, "in 12 seconds"),
        (1.0, 0.0, "in 1 second:"),
    ],
)
async def test_viewer_is_told_a_minute_before_or_at_once_and_ends_with_its_token(
    autojump_clock, ttl, told_at, told
):
    viewer = Viewer()
    assert await ended_after(viewer, ttl) == (True, ttl)
    ((at, text),) = viewer.record
    assert at == told_at
    assert '"event":"daemon_message"' in text.replace(" ", "", 1)
    assert f"This session ends {told}" in text


async def test_master_has_no_end(autojump_clock):
    viewer = Viewer()
    assert await ended_after(viewer, None) == (False, 80_000.0)
    assert viewer.record == []


async def test_token_that_is_over_already_ends_its_socket_at_once(autojump_clock):
    assert await ended_after(Viewer(), -5.0) == (True, 0.0)


async def test_viewer_that_reads_slowly_does_not_put_off_its_end(autojump_clock):
    assert await ended_after(Viewer(seconds=1000.0), 100.0) == (True, 100.0)


async def test_viewer_that_leaves_is_waited_for_no_longer(autojump_clock):
    with trio.CancelScope() as scope:
        async with expiring(Viewer(), scope, clock() + 3600.0, clock):
            await trio.sleep(5.0)
    assert (scope.cancelled_caught, trio.current_time()) == (False, 5.0)


@pytest.mark.parametrize(("step", "ended"), [(1800.0, 1800.0), (-1800.0, 5400.0)])
async def test_clock_that_is_set_moves_the_end_with_it(autojump_clock, step, ended):
    """Within a minute: as long as the next look at the clock may take."""

    def stepped():
        return clock() + (step if trio.current_time() >= 600.0 else 0.0)

    caught, at = await ended_after(Viewer(), 3600.0, stepped)
    assert caught
    assert ended <= at <= ended + 60.0
