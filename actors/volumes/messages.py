"""The messages and events of the volumes actor."""

import attrs

# Commands


@attrs.frozen
class Create:
    """Create a volume. ``quota_mb`` is None for no quota; ``at`` is in Unix seconds.

    With ``users``, the first and the last uid of a range, it gets one of them for itself, but none of
    ``reserved``.
    """

    volume_id: str
    quota_mb: int | None
    at: float
    users: tuple[int, int] | None = None
    reserved: frozenset[int] = frozenset()


@attrs.frozen
class Adopt:
    """Take over a volume of a lost journal, with its user ``uid`` if it has one of its own."""

    volume_id: str
    quota_mb: int | None
    at: float
    uid: int | None


@attrs.frozen
class Assign:
    """Give the volume a user of its own from a range, unless it has one; none of ``reserved``."""

    volume_id: str
    users: tuple[int, int]
    reserved: frozenset[int] = frozenset()


@attrs.frozen
class Resize:
    """Change the quota of the volume, in megabytes."""

    volume_id: str
    quota_mb: int


@attrs.frozen
class Delete:
    """Delete the volume."""

    volume_id: str


Message = Create | Adopt | Assign | Resize | Delete


# Events


@attrs.frozen
class VolumeCreated:
    """The volume was created."""

    volume_id: str
    quota_mb: int | None
    at: float


@attrs.frozen
class VolumeResized:
    """The quota of the volume was changed."""

    volume_id: str
    quota_mb: int


@attrs.frozen
class VolumeDeleted:
    """The volume was deleted."""

    volume_id: str


@attrs.frozen
class VolumeOwnerAssigned:
    """The volume got the user ``uid`` and the group of the same number for itself."""

    volume_id: str
    uid: int


Event = VolumeCreated | VolumeOwnerAssigned | VolumeResized | VolumeDeleted
