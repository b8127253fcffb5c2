"""When a console is read again."""

from lightd.engines.read_pause import PAUSE, SILENCE, SMALL, ReadPause


def test_output_after_a_silence_is_read_at_once_and_so_is_what_follows_it():
    pause = ReadPause()
    assert pause.after(1, 0.0) == 0.0
    assert pause.after(1, SILENCE) == 0.0
    assert pause.after(1, 2 * SILENCE) == 0.0


def test_program_that_prints_without_a_pause_is_read_a_few_times_a_second():
    pause = ReadPause()
    pause.after(1, 0.0)
    assert pause.after(1, 0.001) == PAUSE
    assert pause.after(100, 0.001 + PAUSE) == PAUSE


def test_pause_is_shorter_than_a_silence():
    """Otherwise every second read of a busy console would count as one after a silence."""
    assert PAUSE < SILENCE


def test_large_piece_is_never_waited_after():
    pause = ReadPause()
    pause.after(SMALL, 0.0)
    assert pause.after(SMALL, 0.0) == 0.0
    assert pause.after(SMALL - 1, 0.0) == PAUSE
