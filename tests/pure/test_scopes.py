"""The tables of scopes: what they need to be whole, and what they say of a token."""

import ast
from pathlib import Path

import pytest
from quart.routing import QuartRule
from werkzeug.routing import Map

from actors.tokens.grant import EVERYTHING, MASTER, PERMISSIONS, Grant
from lightd.access.identity import Identity
from lightd.api.errors import ApiError
from lightd.http import scopes
from lightd.http.live import inbound
from lightd.http.scopes import Row, Subject
from tests.support.scoped import read_frames, read_routes, to_written

HTTP = Path(scopes.__file__).parent
SOURCES = [path for path in HTTP.rglob("*.py") if path.parent.name != "openapi"]


def bound(path, *methods, **options):
    """A rule as the framework hands it out."""
    rule = QuartRule(path, methods=methods or None, endpoint="x", **options)
    Map([rule])
    return rule


def test_the_page_of_the_api_says_what_the_table_says():
    closed = {
        to_written(route): (row.needs, row.subject is Subject.NODE and row.needs in PERMISSIONS)
        for route, row in scopes.ROUTES.items()
    }
    assert closed == read_routes()
    assert len(closed) == len(scopes.ROUTES)


def test_the_page_says_what_each_frame_needs():
    assert read_frames(1) == scopes.INBOUND
    assert read_frames(2) == scopes.OUTBOUND


def test_every_frame_that_a_viewer_may_send_has_a_row_and_every_row_a_frame():
    assert scopes.INBOUND.keys() == inbound.FRAMES.keys()
    assert set(scopes.INBOUND.values()) <= set(PERMISSIONS)


def test_every_kind_of_frame_that_is_sent_has_a_row_and_every_row_a_kind():
    kinds = set()
    for path in set(SOURCES) - {Path(scopes.__file__)}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                named = zip(node.keys, node.values, strict=True)
                kinds |= {ast.unparse(kind) for key, kind in named if key and ast.unparse(key) == "'event'"}
    assert kinds == set(map(repr, scopes.OUTBOUND))


def test_no_frame_is_made_elsewhere():
    makers = {path.name for path in SOURCES if "to_frame(" in path.read_text()}
    assert makers <= {"frames.py", "source.py", "session.py", "inbound.py", "history.py", "expiry.py"}


def test_a_route_without_a_row_is_refused():
    for rule in (
        bound("/containers", "GET", "PUT"),
        bound("/containers/<internal_id>/shell", "GET"),
        bound("/ws/<internal_id>/shell", "GET", websocket=True),
        bound("/containers"),
        bound("/containers", "OPTIONS"),
    ):
        with pytest.raises(scopes.UnlistedRoute, match="has no row"):
            scopes.check_listed([rule])


def test_a_row_that_is_about_something_else_than_its_path_is_refused():
    for path, subject in (
        ("/x/<internal_id>", Subject.REACHED),
        ("/x/<internal_id>", Subject.VOLUME),
        ("/x/<internal_id>/<other_id>", Subject.CONTAINER),
        ("/x", Subject.CONTAINER),
        ("/x/<volume_id>", Subject.CONTAINER),
        ("/x/<operation_id>", Subject.VOLUME),
        ("/x/<ip>", Subject.PORT),
    ):
        with pytest.raises(scopes.UnlistedRoute, match="something else"):
            scopes.check_listed([bound(path, "GET")], {f"GET {path}": Row("admin", subject)})


def test_a_row_that_fits_is_not_refused():
    for path, subject in (
        ("/x", Subject.NODE),
        ("/x/<ip>/<port>", Subject.NODE),
        ("/x", Subject.REACHED),
        ("/x/<internal_id>", Subject.CONTAINER),
        ("/x/<volume_id>", Subject.VOLUME),
        ("/x/<volume_id>/<operation_id>", Subject.VOLUME),
        ("/x/<operation_id>", Subject.OPERATION),
        ("/x/<ip>/<port>", Subject.PORT),
    ):
        scopes.check_listed([bound(path, "GET")], {f"GET {path}": Row("admin", subject)})


def test_a_row_needs_a_permission_that_there_is():
    with pytest.raises(ValueError, match="needs"):
        Row("console", Subject.NODE)


def test_a_method_that_the_framework_adds_is_the_one_it_stands_for():
    both = bound("/x", "GET", "OPTIONS", provide_automatic_options=True)
    assert scopes.to_routes(both) == ["GET /x"]
    assert scopes.route_of(both, "HEAD") == scopes.route_of(both, "GET") == "GET /x"
    assert scopes.route_of(both, "OPTIONS") is None
    alone = bound("/x", "HEAD", "OPTIONS")
    assert scopes.to_routes(alone) == ["HEAD /x", "OPTIONS /x"]
    assert scopes.route_of(alone, "HEAD") == "HEAD /x"
    assert scopes.route_of(alone, "OPTIONS") == "OPTIONS /x"
    socket = bound("/x", "GET", websocket=True)
    assert scopes.to_routes(socket) == ["WS /x"] == [scopes.route_of(socket, "GET")]


@pytest.mark.parametrize("needs", PERMISSIONS)
def test_a_permission_is_needed_for_itself_and_holds_no_other(needs):
    row = Row(needs, Subject.CONTAINER)
    scopes.check_row(row, Identity("t", Grant(frozenset(), frozenset({needs}))))
    scopes.check_row(row, Identity("t", Grant(frozenset(), None)))
    scopes.check_row(row, Identity(MASTER))
    with pytest.raises(ApiError, match=f"lacks the permission {needs}$") as refused:
        scopes.check_row(row, Identity("t", Grant(None, frozenset(PERMISSIONS) - {needs})))
    assert (refused.value.status, refused.value.code) == (403, "permission_denied")


def test_what_is_the_masters_is_in_no_grant():
    row = Row(scopes.MASTER, Subject.NODE)
    scopes.check_row(row, Identity(MASTER))
    for grant in (EVERYTHING, Grant(None, frozenset(PERMISSIONS)), Grant(frozenset(), None)):
        with pytest.raises(ApiError) as refused:
            scopes.check_row(row, Identity("t", grant))
        assert (refused.value.status, refused.value.code) == (403, "master_token_required")


def test_a_token_for_some_containers_gets_at_nothing_of_the_nodes():
    row = Row("admin", Subject.NODE)
    scopes.check_row(row, Identity("t", Grant(None, frozenset({"admin"}))))
    for permissions in (None, frozenset({"admin"})):
        with pytest.raises(ApiError, match="the token is for some containers") as refused:
            scopes.check_row(row, Identity("t", Grant(frozenset({"s1"}), permissions)))
        assert (refused.value.status, refused.value.code) == (403, "permission_denied")


def test_kinds_are_those_that_the_permissions_are_for():
    always = {"event", "daemon_message", "error"}
    assert scopes.kinds_for(EVERYTHING) == scopes.kinds_for(Grant(frozenset(), None)) == scopes.EVERY_KIND
    assert scopes.kinds_for(Grant(None, frozenset())) == always
    assert scopes.kinds_for(Grant(None, frozenset({"stats"}))) == always | {"stats"}
    console = scopes.kinds_for(Grant(None, frozenset({"console.read"})))
    assert console == always | {"console", "gap", "logs"}
    assert scopes.kinds_for(Grant(None, frozenset(PERMISSIONS))) == scopes.EVERY_KIND
