"""When the next lines of a console are sent."""

from lightd.http.live.pacing import FEW, LONG, LONGEST, PROMPT, SHORT, Pace


def pauses(rate, seconds, pace=None, begun=0.0):
    pace = pace or Pace()
    return [pace.pause(1, begun + n / rate) for n in range(int(rate * seconds))]


def test_quiet_console_is_never_held_up():
    assert set(pauses(15, 60)) == {0.0}


def test_console_that_a_person_can_follow_is_held_up_by_less_than_a_glance():
    found = pauses(50, 10)
    assert found[0] == 0.0
    assert set(found[50:]) == {SHORT}


def test_fast_console_is_sent_forty_times_a_second():
    assert set(pauses(200, 10)[200:]) == {LONG}


def test_console_is_quick_again_soon_after_a_flood():
    pace = Pace()
    assert pace.pause(100_000, 0.0) == LONG
    assert pace.pause(1, 1.0) == SHORT
    assert pace.pause(1, 3.0) == 0.0


def test_pace_of_nothing_sent_is_no_pause():
    pace = Pace()
    pace.pause(100_000, 0.0)
    assert pace.pause(0, 0.0) == 0.0


def test_fast_console_is_sent_promptly_to_few_viewers():
    def pauses(viewers):
        pace = Pace()
        return {pace.pause(1, number / 1000, viewers=viewers) for number in range(3000)}

    assert pauses(FEW) == {0.0, PROMPT}
    assert pauses(FEW + 1) == {0.0, SHORT, LONG}


def test_budget_of_frames_holds_for_few_viewers_too():
    pace = Pace()
    for number in range(100):
        pace.pause(10_000, number / 100, frames=20, viewers=1)
    assert pace.pause(10_000, 1.0, frames=20, viewers=1) == LONGEST
