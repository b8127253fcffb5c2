"""The records of routes and frames: what they must have, and what they say of a token."""

import ast
import re
from pathlib import Path

import pytest

from actors.tokens.grant import EVERYTHING, PERMISSIONS, Grant
from lightd.access import scopes
from lightd.access.scopes import Container, Node, Operation, Port, Visible, Volume
from lightd.http import route as route_module
from lightd.http.live import kinds
from lightd.http.live.inbound import INBOUND
from lightd.http.live.kinds import OUTBOUND
from lightd.http.route import WEBSOCKET, Route, Section
from lightd.http.routes.table import ROUTES
from tests.support.scoped import read_frames, read_routes, to_written

HTTP = Path(route_module.__file__).parent
SOURCES = [path for path in HTTP.rglob("*.py") if path.parent.name != "openapi"]


async def handle(*_):
    """Never called."""


def a_route(path, subject=Node, method="GET", permission="admin", **fields):
    return Route(
        method=method,
        path=path,
        permission=permission,
        subject=subject,
        **{"handler": handle, "name": "x", "summary": "x", **fields},
    )


def test_page_of_the_reference_says_what_the_records_say():
    closed = {
        to_written(route): (route.permission, route.subject is Node and route.permission in PERMISSIONS)
        for route in ROUTES
    }
    assert closed == read_routes()
    assert len(closed) == len(ROUTES)


def test_page_says_what_each_frame_needs():
    assert read_frames(1) == {name: kind.permission for name, kind in INBOUND.items()}
    assert read_frames(2) == {name: kind.permission for name, kind in OUTBOUND.items()}


def test_frame_that_a_viewer_may_send_needs_a_permission():
    assert {kind.permission for kind in INBOUND.values()} <= set(PERMISSIONS)


def test_every_kind_of_frame_that_is_sent_has_a_row_and_every_row_a_kind():
    found = set()
    for path in set(SOURCES) - {Path(kinds.__file__)}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                named = zip(node.keys, node.values, strict=True)
                found |= {ast.unparse(kind) for key, kind in named if key and ast.unparse(key) == "'event'"}
    assert found == set(map(repr, OUTBOUND))


def test_no_frame_is_made_elsewhere():
    makers = {path.name for path in SOURCES if "to_frame(" in path.read_text()}
    assert makers <= {"frames.py", "source.py", "session.py", "inbound.py", "history.py", "expiry.py"}


def test_route_without_a_permission_or_a_subject_cannot_be_written():
    whole = {"method": "GET", "path": "/x", "permission": "admin", "subject": Node}
    rest = {"handler": handle, "name": "x", "summary": "x"}
    Route(**whole, **rest)
    for missing in ("permission", "subject", "handler"):
        fields = {name: value for name, value in {**whole, **rest}.items() if name != missing}
        with pytest.raises(TypeError, match=missing):
            Route(**fields)


def test_route_whose_path_does_not_name_its_subject_is_refused():
    for path, subject in (
        ("/x/{internal_id}", Visible),
        ("/x/{internal_id}", Volume),
        ("/x/{internal_id}/{other_id}", Container),
        ("/x", Container),
        ("/x/{volume_id}", Container),
        ("/x/{operation_id}", Volume),
        ("/x/{ip}", Port),
    ):
        with pytest.raises(ValueError, match="something else"):
            a_route(path, subject)


def test_route_whose_path_names_its_subject_is_not_refused():
    for path, subject in (
        ("/x", Node),
        ("/x/{ip}/{port}", Node),
        ("/x", Visible),
        ("/x/{internal_id}", Container),
        ("/x/{volume_id}", Volume),
        ("/x/{volume_id}/{operation_id}", Volume),
        ("/x/{operation_id}", Operation),
        ("/x/{ip}/{port}", Port),
    ):
        assert list(a_route(path, subject).in_path) == re.findall(r"{(\w+)}", path)


def test_route_needs_a_permission_and_a_method_that_there_are():
    with pytest.raises(ValueError, match="permission"):
        a_route("/x", permission="console")
    with pytest.raises(ValueError, match="method"):
        a_route("/x", method="get")


def test_route_is_open_if_it_needs_nothing():
    assert a_route("/x", permission=scopes.NOTHING).is_open
    assert not a_route("/x", permission=scopes.TOKEN).is_open


def test_query_of_a_route_is_what_its_parameters_name():
    route = a_route("/x/{volume_id}", Volume, parameters=("folder", "page", "if_match"))
    assert route.in_query == {"path", "limit"}
    socket = a_route("/ws", Visible, WEBSOCKET, parameters=("token", "since"))
    assert socket.in_query == {"token", "since"}


def test_deletions_come_last_in_a_section():
    methods = ("DELETE", "GET", "DELETE", "POST")
    section = Section("x", "x", tuple(a_route(f"/{method}", method=method) for method in methods))
    assert [route.method for route in section.routes] == ["GET", "POST", "DELETE", "DELETE"]


def test_kinds_are_those_that_the_permissions_are_for():
    always = {"event", "daemon_message", "error"}
    assert kinds.kinds_for(EVERYTHING) == kinds.kinds_for(Grant(frozenset(), None)) == kinds.EVERY_KIND
    assert kinds.kinds_for(Grant(None, frozenset())) == always
    assert kinds.kinds_for(Grant(None, frozenset({"stats"}))) == always | {"stats"}
    console = kinds.kinds_for(Grant(None, frozenset({"console.read"})))
    assert console == always | {"console", "gap", "logs"}
    assert kinds.kinds_for(Grant(None, frozenset(PERMISSIONS))) == kinds.EVERY_KIND
