"""The one table from what went wrong to its status has a row for everything."""

import re
from pathlib import Path

import pytest

from actors.container.console.console import InputClosed, InputFull
from actors.container.engine import EngineUnavailable
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from lightd.access.errors import LimitExceeded, NotVisible, PermissionDenied, Unauthenticated
from lightd.api.errors import ApiError, bad_request, not_found
from lightd.files import errors as files
from lightd.http.errors import Answer, HttpError, to_answer

ACTORS = Path(__file__).parents[2] / "actors"
CODES = sorted(
    {
        code
        for path in ACTORS.rglob("*.py")
        for code in re.findall(r"Rejection\(\s*\"([a-z_]+)\"", path.read_text())
    }
)


def test_rejections_exist():
    assert {"already_exists", "port_in_use", "deleting"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_rejection_of_an_actor_has_a_status(code):
    error = to_answer(Rejection(code, "why"))
    assert error.status == (404 if code.endswith("not_found") else 409)
    assert (error.code, error.message) == (code, "why")


@pytest.mark.parametrize("kind", files.FileRefused.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_refusal_of_a_file_has_the_status_that_its_docstring_says(kind):
    error = to_answer(kind("why"))
    assert error.status == int(re.search(r"\((\d{3})\)", kind.__doc__)[1])
    assert (error.code, error.message) == (kind.code, "why")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (EngineUnavailable("no answer from /run/secret.sock"), 503, "engine_unavailable"),
        (JournalUnavailable("/srv/secret"), 507, "journal_unavailable"),
        (Overloaded("too many"), 503, "overloaded"),
        (ActorGone("a bug", quarantined=True), 503, "quarantined"),
    ],
)
def test_fault_of_the_world_may_be_tried_again_and_tells_nothing_of_the_inside(fault, status, code):
    error = to_answer(fault)
    assert (error.status, error.code) == (status, code)
    assert error.headers == {"Retry-After": "5"}
    assert "secret" not in error.message
    assert "bug" not in error.message


@pytest.mark.parametrize("fault", [InputClosed("not running"), InputFull("full")])
def test_input_that_nobody_reads_is_a_409(fault):
    error = to_answer(fault)
    assert (error.status, error.code, error.message) == (409, "input_refused", str(fault))


@pytest.mark.parametrize("bug", [RuntimeError(), ValueError("x"), OSError(5, "x"), ActorGone("broke")])
def test_bug_has_no_answer_of_its_own(bug):
    assert to_answer(bug) is None


def test_api_error_has_the_status_of_its_code():
    assert to_answer(bad_request("why")) == Answer(400, "invalid_request", "why")
    assert to_answer(not_found("volume")) == Answer(404, "volume_not_found", "no such volume")


def test_error_of_access_has_the_status_of_its_code():
    assert to_answer(Unauthenticated()) == Answer(401, "unauthorized", "a valid token is needed")
    assert to_answer(PermissionDenied("permission_denied", "why")) == Answer(403, "permission_denied", "why")
    assert to_answer(NotVisible("volume")) == to_answer(not_found("volume"))
    limited = to_answer(LimitExceeded("too_often", "why", 7))
    assert limited == Answer(429, "too_often", "why", {"Retry-After": "7"})


def test_error_with_headers_of_its_own_keeps_them():
    headers = {"Content-Range": "bytes */3"}
    answer = to_answer(HttpError("range_not_satisfiable", "why", headers))
    assert answer == Answer(416, "range_not_satisfiable", "why", headers)


def test_error_with_an_unknown_code_is_a_bug():
    with pytest.raises(KeyError, match="teapot"):
        to_answer(ApiError("teapot", "short and stout"))
