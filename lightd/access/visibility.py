"""What of the node a token can see: its containers, and their volumes, ports and operations.

A token without ``containers`` sees everything, and nothing here is looked up. For any other token, what lies
outside does not exist: the error is the same, whether it does or not.
"""

from collections.abc import Mapping
from typing import assert_never

from actors.container.fleet import Member
from lightd.access.directory import NodeDirectory
from lightd.access.errors import NotVisible, port_not_visible
from lightd.access.identity import Identity
from lightd.access.scopes import (
    Container,
    Node,
    Operation,
    Port,
    Subject,
    Visible,
    Volume,
    check_permission,
)


async def check(directory: NodeDirectory, identity: Identity, permission: str, subject: Subject) -> None:
    """Return if the bearer of a token may do what needs ``permission`` to ``subject``.

    Raises ``PermissionDenied``, or ``NotVisible`` if the subject is none of the token's.
    """
    check_permission(identity, permission, type(subject))
    await check_visible(directory, identity, subject)


async def check_visible(directory: NodeDirectory, identity: Identity, subject: Subject) -> None:
    """Raise ``NotVisible`` if ``subject`` is none of the token's."""
    containers = identity.grant.containers
    if containers is None:
        return
    match subject:
        case Node() | Visible():
            pass
        case Container():
            if subject.internal_id not in containers:
                raise NotVisible("container")
        case Volume():
            if subject.volume_id not in directory.volumes_of(containers):
                raise NotVisible("volume")
        case Operation():
            target = await directory.subject_of(subject.operation_id)
            if not (
                target.volume_id in directory.volumes_of(containers)
                if isinstance(target, Volume)
                else target is not None and target.internal_id in containers
            ):
                raise NotVisible("operation")
        case Port():
            if directory.holder_of(subject) not in containers:
                raise port_not_visible()
        case _:
            assert_never(subject)


def sees(identity: Identity, member: Member) -> bool:
    """Return true if the token is for this ``member``, which has one of its ids.

    A token for some containers is not for one that was created after the token with the id of a deleted one.
    """
    return (
        identity.grant.containers is None
        or identity.position is None
        or member.state.ended <= identity.position
    )


def to_streamed(identity: Identity, endings: Mapping[str, int]) -> frozenset[tuple[str, int]] | None:
    """Return the containers whose events the token may see, None for all.

    Each comes with the position after which its id means this container; ``endings`` are the deletions.
    """
    named, minted = identity.grant.containers, identity.position
    if named is None or minted is None:
        return None
    return frozenset((name, endings.get(name, 0)) for name in named if endings.get(name, 0) < minted)
