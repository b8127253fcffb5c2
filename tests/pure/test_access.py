"""May this token do that to this subject? Asked by plain function calls: no HTTP, no server, no actors."""

import sys
from subprocess import run

import attrs
import pytest

from actors.tokens.grant import EVERYTHING, MASTER, PERMISSIONS, Grant
from lightd.access import scopes
from lightd.access.errors import NotVisible, PermissionDenied, port_not_visible
from lightd.access.identity import Identity
from lightd.access.scopes import Container, Node, Operation, Port, Visible, Volume, check_permission
from lightd.access.visibility import check, to_streamed

GAME = Identity("t", Grant(frozenset({"s1"}), frozenset({"files.write", "power"})), position=7)


@attrs.frozen
class ANode:
    """Two containers, each with a volume, an operation, an archive and a port."""

    async def subject_of(self, operation_id):
        kind, _, name = operation_id.partition("-")
        if name not in ("s1", "s2"):
            return None
        return Volume(f"volume-{name}") if kind == "compress" else Container(name)

    def volumes_of(self, containers):
        return frozenset(f"volume-{name}" for name in containers)

    def holder_of(self, port):
        if port.port not in (1, 2, 3):
            raise port_not_visible()
        return {1: "s1", 2: "s2"}.get(port.port)


async def may(identity, permission, subject):
    """True, or the code of the error."""
    try:
        await check(ANode(), identity, permission, subject)
    except (PermissionDenied, NotVisible) as error:
        return error.code
    return True


async def test_token_may_write_into_its_own_volume_and_into_no_other():
    assert await may(GAME, "files.write", Volume("volume-s1")) is True
    assert await may(GAME, "files.write", Volume("volume-s2")) == "volume_not_found"
    assert await may(GAME, "files.write", Volume("nowhere")) == "volume_not_found"
    assert await may(GAME, "files.read", Volume("volume-s1")) == "permission_denied"


async def test_token_may_act_on_its_own_container_and_on_no_other():
    assert await may(GAME, "power", Container("s1")) is True
    assert await may(GAME, "power", Container("s2")) == "container_not_found"
    assert await may(GAME, "admin", Container("s2")) == "permission_denied"


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        (Operation("start-s1"), True),
        (Operation("start-s2"), "operation_not_found"),
        (Operation("start-s3"), "operation_not_found"),
        (Operation("compress-s1"), True),
        (Operation("compress-s2"), "operation_not_found"),
        (Port("127.0.0.1", 1), True),
        (Port("127.0.0.1", 2, "udp"), "port_not_found"),
        (Port("127.0.0.1", 3), "port_not_found"),
        (Port("127.0.0.1", 4), "port_not_found"),
        (Visible(), True),
        (Node(), "permission_denied"),
    ],
)
async def test_subject_is_visible_if_it_is_of_the_tokens_containers(subject, found):
    assert await may(GAME, "power", subject) == found
    assert await may(Identity(MASTER), "power", subject) is True
    assert await may(Identity("t", Grant(None, frozenset({"power"}))), "power", subject) is True


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_permission_is_needed_for_itself_and_holds_no_other(permission):
    check_permission(Identity("t", Grant(frozenset(), frozenset({permission}))), permission, Container)
    check_permission(Identity("t", Grant(frozenset(), None)), permission, Container)
    check_permission(Identity(MASTER), permission, Container)
    without = Identity("t", Grant(None, frozenset(PERMISSIONS) - {permission}))
    with pytest.raises(PermissionDenied, match=f"lacks the permission {permission}$") as refused:
        check_permission(without, permission, Container)
    assert refused.value.code == "permission_denied"


def test_master_token_is_required_whatever_a_grant_has():
    check_permission(Identity(MASTER), scopes.MASTER, Node)
    for grant in (EVERYTHING, Grant(None, frozenset(PERMISSIONS)), Grant(frozenset(), None)):
        with pytest.raises(PermissionDenied) as refused:
            check_permission(Identity("t", grant), scopes.MASTER, Node)
        assert refused.value.code == "master_token_required"


def test_token_for_some_containers_is_refused_what_is_about_the_node():
    check_permission(Identity("t", Grant(None, frozenset({"admin"}))), "admin", Node)
    for permissions in (None, frozenset({"admin"})):
        with pytest.raises(PermissionDenied, match="the token is limited to some containers") as refused:
            check_permission(Identity("t", Grant(frozenset({"s1"}), permissions)), "admin", Node)
        assert refused.value.code == "permission_denied"


def test_events_of_a_reused_id_are_streamed_from_its_own_creation():
    assert to_streamed(Identity(MASTER), {}) is None
    assert to_streamed(GAME, {}) == {("s1", 0)}
    assert to_streamed(GAME, {"s1": 6, "s2": 6}) == {("s1", 6)}
    assert to_streamed(GAME, {"s1": 8}) == set()


def test_authorization_loads_no_http_library():
    script = "import sys, lightd.access.visibility, lightd.access.gate, lightd.access.directory\n"
    script += (
        "print(*({'quart', 'werkzeug', 'hypercorn', 'h11', 'wsproto', 'lightd.http'} & sys.modules.keys()))"
    )
    assert run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout == "\n"
