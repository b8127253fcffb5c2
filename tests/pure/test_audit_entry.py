import pytest

from lightd.audit.entry import LONGEST, to_text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/volumes/x", "/volumes/x"),
        ("/ws/lightd_0123456789abcdef", "/ws/lightd_…cdef"),
        ("/x\udc80", "/x?"),
        ("/" + "x" * 9999, "/" + "x" * (LONGEST - 1)),
        ("é" * 9999, "é" * (LONGEST // 2)),
        ("", ""),
    ],
)
def test_path_is_kept_short_in_characters_and_without_a_token(given, kept):
    assert to_text(given) == kept


def test_token_that_the_end_cuts_through_is_hidden_all_the_same():
    kept = to_text("x" * (LONGEST - 12) + "/lightd_0123456789abcdef")
    assert "0123" not in kept
