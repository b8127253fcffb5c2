import pytest

from actors.remotesync.panel import Accepted, Later, Refused
from actors.remotesync.updates import Fault, Status
from lightd.api.events import to_panel_body
from lightd.panel.answers import MOST_MARKS, Answer, to_health_error, to_outcome, to_seconds
from lightd.panel.http import LONGEST_REASON, to_reason

NOW = 1_700_000_000.0


def answer(status, body=b'{"success": true}', **headers):
    return Answer(status, headers, body)


def outcome(*args, **headers):
    return to_outcome(answer(*args, **headers), NOW)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_success_that_says_so_is_an_acknowledgement(status):
    assert outcome(status) == Accepted()
    assert outcome(status, b'{"success": true, "more": 1}') == Accepted()


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"<html>", b"[]", b"{}", b'{"success": 1}', b'{"success": false}', None, b"[" * 99999],
)
def test_success_that_says_something_else_is_none(body):
    assert outcome(200, body) == Later('the panel answered 200 without {"success": true}')


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451])
def test_another_4xx_is_a_refusal(status):
    assert outcome(status) == Refused(f"the panel answered {status}")


@pytest.mark.parametrize(
    ("status", "panel_wide"),
    [(408, False), (429, True), (500, False), (501, False), (502, True), (503, True)],
)
def test_status_that_asks_for_patience_is_retried(status, panel_wide):
    assert outcome(status) == Later(f"the panel answered {status}", None, panel_wide)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirection_is_not_followed_and_says_so(status):
    said = outcome(status)
    assert isinstance(said, Later)
    assert "redirects are not followed" in said.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, 999_999_999.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20", 60.0),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Tue, 14 Nov 99999999999999999999 22:14:20 GMT", None),
        ("x" * 100_000, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert to_seconds(header, NOW) == seconds


def test_wish_for_a_pause_comes_with_the_outcome():
    assert outcome(503, b"", **{"retry-after": "30"}) == Later(
        "the panel answered 503", 30.0, panel_wide=True
    )


@pytest.mark.parametrize(
    ("status", "body", "well"),
    [
        (200, b'{"status": 200, "endpoint": "active"}', True),
        (200, b'{"status": 200, "endpoint": "active", "version": "2"}', True),
        (200, b'{"status": "200", "endpoint": "active"}', False),
        (200, b'{"status": 200, "endpoint": "idle"}', False),
        (200, b"OK", False),
        (204, b'{"status": 200, "endpoint": "active"}', False),
        (302, b"", False),
        (500, b'{"status": 200, "endpoint": "active"}', False),
    ],
)
def test_panel_is_well_that_says_exactly_so(status, body, well):
    assert (to_health_error(answer(status, body)) is None) is well


def test_frame_is_written_as_the_contract_has_it():
    assert to_panel_body("s1", Status("ready")) == {"event": "update", "server": "s1", "status": "ready"}
    assert to_panel_body("s1", Fault("timeout", "too long")) == {
        "event": "update",
        "server": "s1",
        "error": "timeout",
        "data": "too long",
    }


def test_text_of_too_many_values_is_not_parsed():
    assert Answer(200, {}, b"[" + b"0," * MOST_MARKS + b"0]").json is None
    assert Answer(200, {}, b"[" + b"0," * 1000 + b"0]").json == [0] * 1001
    assert Answer(200, {}, b"[" * 100_000).json is None


def test_quotation_of_the_panel_is_cut():
    said = to_reason(ValueError(f"illegal header line: {'x' * 100_000}"))
    assert len(said) == LONGEST_REASON + 1
    assert said.startswith("illegal header line: xxx")
    assert said.endswith("…")
    assert to_reason(ValueError("short")) == "short"
