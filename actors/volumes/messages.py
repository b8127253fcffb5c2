"""What the volumes actor is told, and what it records."""

import attrs

# Commands


@attrs.frozen
class Create:
    """Have a new volume. ``quota_mb`` is None where it has no ceiling; ``at`` is Unix seconds.

    Where ``users`` are given, the first and the last of a range, it gets one of them for itself.
    """

    volume_id: str
    quota_mb: int | None
    at: float
    users: tuple[int, int] | None = None


@attrs.frozen
class Assign:
    """Have the volume get a user of its own out of a range, unless it has one."""

    volume_id: str
    users: tuple[int, int]


@attrs.frozen
class Resize:
    """Have another ceiling for the volume, in megabytes."""

    volume_id: str
    quota_mb: int


@attrs.frozen
class Delete:
    """Have the volume no more."""

    volume_id: str


Message = Create | Assign | Resize | Delete


# Events


@attrs.frozen
class VolumeCreated:
    """The volume exists."""

    volume_id: str
    quota_mb: int | None
    at: float


@attrs.frozen
class VolumeResized:
    """The volume has another ceiling."""

    volume_id: str
    quota_mb: int


@attrs.frozen
class VolumeDeleted:
    """The volume exists no more."""

    volume_id: str


@attrs.frozen
class VolumeOwnerAssigned:
    """The user ``uid``, and the group of the same number, is this volume's alone for as long as it exists."""

    volume_id: str
    uid: int


Event = VolumeCreated | VolumeOwnerAssigned | VolumeResized | VolumeDeleted
