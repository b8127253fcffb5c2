"""The tables of scopes: what they need to be whole, and what they say of a token."""

import ast
from pathlib import Path

import pytest
from quart.routing import QuartRule
from werkzeug.routing import Map

from actors.tokens.grant import EVERYTHING, PERMISSIONS, Grant
from lightd.access.scopes import Container, Node, Operation, Port, Visible, Volume
from lightd.http import scopes
from lightd.http.live import inbound, kinds
from lightd.http.scopes import Row
from tests.support.scoped import read_frames, read_routes, to_written

HTTP = Path(scopes.__file__).parent
SOURCES = [path for path in HTTP.rglob("*.py") if path.parent.name != "openapi"]


def bound(path, *methods, **options):
    """A rule as the framework hands it out."""
    rule = QuartRule(path, methods=methods or None, endpoint="x", **options)
    Map([rule])
    return rule


def test_page_of_the_api_says_what_the_table_says():
    closed = {
        to_written(route): (row.needs, row.subject is Node and row.needs in PERMISSIONS)
        for route, row in scopes.ROUTES.items()
    }
    assert closed == read_routes()
    assert len(closed) == len(scopes.ROUTES)


def test_page_says_what_each_frame_needs():
    assert read_frames(1) == kinds.INBOUND
    assert read_frames(2) == kinds.OUTBOUND


def test_every_frame_that_a_viewer_may_send_has_a_row_and_every_row_a_frame():
    assert kinds.INBOUND.keys() == inbound.FRAMES.keys()
    assert set(kinds.INBOUND.values()) <= set(PERMISSIONS)


def test_every_kind_of_frame_that_is_sent_has_a_row_and_every_row_a_kind():
    found = set()
    for path in set(SOURCES) - {Path(kinds.__file__)}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                named = zip(node.keys, node.values, strict=True)
                found |= {ast.unparse(kind) for key, kind in named if key and ast.unparse(key) == "'event'"}
    assert found == set(map(repr, kinds.OUTBOUND))


def test_no_frame_is_made_elsewhere():
    makers = {path.name for path in SOURCES if "to_frame(" in path.read_text()}
    assert makers <= {"frames.py", "source.py", "session.py", "inbound.py", "history.py", "expiry.py"}


def test_route_without_a_row_is_refused():
    for rule in (
        bound("/containers", "GET", "PUT"),
        bound("/containers/<internal_id>/shell", "GET"),
        bound("/ws/<internal_id>/shell", "GET", websocket=True),
        bound("/containers"),
        bound("/containers", "OPTIONS"),
    ):
        with pytest.raises(scopes.UnlistedRoute, match="has no row"):
            scopes.check_listed([rule])


def test_row_that_is_about_something_else_than_its_path_is_refused():
    for path, subject in (
        ("/x/<internal_id>", Visible),
        ("/x/<internal_id>", Volume),
        ("/x/<internal_id>/<other_id>", Container),
        ("/x", Container),
        ("/x/<volume_id>", Container),
        ("/x/<operation_id>", Volume),
        ("/x/<ip>", Port),
    ):
        with pytest.raises(scopes.UnlistedRoute, match="something else"):
            scopes.check_listed([bound(path, "GET")], {f"GET {path}": Row("admin", subject)})


def test_row_that_fits_is_not_refused():
    for path, subject in (
        ("/x", Node),
        ("/x/<ip>/<port>", Node),
        ("/x", Visible),
        ("/x/<internal_id>", Container),
        ("/x/<volume_id>", Volume),
        ("/x/<volume_id>/<operation_id>", Volume),
        ("/x/<operation_id>", Operation),
        ("/x/<ip>/<port>", Port),
    ):
        scopes.check_listed([bound(path, "GET")], {f"GET {path}": Row("admin", subject)})


def test_row_needs_a_permission_that_there_is():
    with pytest.raises(ValueError, match="needs"):
        Row("console", Node)


def test_method_that_the_framework_adds_is_the_one_it_stands_for():
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


def test_kinds_are_those_that_the_permissions_are_for():
    always = {"event", "daemon_message", "error"}
    assert kinds.kinds_for(EVERYTHING) == kinds.kinds_for(Grant(frozenset(), None)) == kinds.EVERY_KIND
    assert kinds.kinds_for(Grant(None, frozenset())) == always
    assert kinds.kinds_for(Grant(None, frozenset({"stats"}))) == always | {"stats"}
    console = kinds.kinds_for(Grant(None, frozenset({"console.read"})))
    assert console == always | {"console", "gap", "logs"}
    assert kinds.kinds_for(Grant(None, frozenset(PERMISSIONS))) == kinds.EVERY_KIND
