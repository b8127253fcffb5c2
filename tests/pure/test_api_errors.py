"""The one table from what went wrong to its status has a row for everything."""

import re
from pathlib import Path

import pytest

from actors.container.console.console import InputClosed, InputFull
from actors.container.engine import EngineUnavailable
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from lightd.api.errors import ApiError, bad_request, not_found
from lightd.files import errors as files
from lightd.http.errors import to_api_error

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
    error = to_api_error(Rejection(code, "why"))
    assert error.status == (404 if code.endswith("not_found") else 409)
    assert (error.code, error.message) == (code, "why")


@pytest.mark.parametrize("kind", files.FileRefused.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_refusal_of_a_file_has_the_status_that_its_docstring_says(kind):
    error = to_api_error(kind("why"))
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
def test_a_fault_of_the_world_may_be_tried_again_and_tells_nothing_of_the_inside(fault, status, code):
    error = to_api_error(fault)
    assert (error.status, error.code) == (status, code)
    assert error.headers == {"Retry-After": "5"}
    assert "secret" not in error.message
    assert "bug" not in error.message


@pytest.mark.parametrize("fault", [InputClosed("not running"), InputFull("full")])
def test_input_that_nobody_reads_is_a_409(fault):
    error = to_api_error(fault)
    assert (error.status, error.code, error.message) == (409, "input_refused", str(fault))


@pytest.mark.parametrize("bug", [RuntimeError(), ValueError("x"), OSError(5, "x"), ActorGone("broke")])
def test_a_bug_has_no_answer_of_its_own(bug):
    assert to_api_error(bug) is None


def test_an_answer_is_an_answer_already():
    for error in (bad_request("why"), not_found("volume"), ApiError(418, "teapot", "short and stout")):
        assert to_api_error(error) is error
    assert (bad_request("why").status, bad_request("why").code) == (400, "invalid_request")
    assert not_found("volume").code == "volume_not_found"
