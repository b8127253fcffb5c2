"""What a token's permissions allow, and what a call can be about. It knows no HTTP.

1. A token that lacks the permission is refused (``PermissionDenied``), whatever the call is about.
2. A subject that is not of the token's containers is ``NotVisible``: the same error as for one that does not
   exist (``visibility``).
3. A token for some containers is refused everything that is about the node as a whole, whatever its
   permissions: there it could name another container's volume, mount or port.
"""

from typing import Final

import attrs

from actors.tokens.grant import PERMISSIONS, Grant
from lightd.access.errors import PermissionDenied
from lightd.access.identity import Identity

NOTHING: Final = "nothing"
TOKEN: Final = "any token"  # noqa: S105 - says which, and is none
MASTER: Final = "the master token"
REQUIREMENTS: Final = (*PERMISSIONS, NOTHING, TOKEN, MASTER)
"""What a call can require: a permission, or one of the three that are none."""


@attrs.frozen
class Node:
    """The node as a whole."""


@attrs.frozen
class Visible:
    """What the token can see; the handler leaves out the rest."""


@attrs.frozen
class Container:
    """A container, by its id."""

    internal_id: str


@attrs.frozen
class Volume:
    """A volume, by its id."""

    volume_id: str


@attrs.frozen
class Operation:
    """An operation on a container or on a volume, by its id."""

    operation_id: str


@attrs.frozen
class Port:
    """A port of the pool. Without ``protocol``: the only one with this address and number, else tcp."""

    ip: str
    port: int
    protocol: str | None = None


Subject = Node | Visible | Container | Volume | Operation | Port


def check_grant(grant: Grant, permission: str) -> None:
    """Raise ``PermissionDenied``, which names the permission, if ``grant`` lacks it."""
    if permission in PERMISSIONS and not grant.allows(permission):
        raise PermissionDenied("permission_denied", f"this token lacks the permission {permission}")


def check_permission(identity: Identity, permission: str, subject: type[Subject]) -> None:
    """Raise ``PermissionDenied`` unless ``identity`` has ``permission`` (one of ``REQUIREMENTS``).

    Whether the subject is visible to the token is the second half: see ``visibility.check``.
    """
    if permission == MASTER and not identity.is_master:
        raise PermissionDenied("master_token_required", "only the master token may do this")
    check_grant(identity.grant, permission)
    if subject is Node and permission != NOTHING and identity.grant.containers is not None:
        message = "this route is about the whole node, and the token is limited to some containers"
        raise PermissionDenied("permission_denied", message)
