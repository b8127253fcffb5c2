"""What the volumes actor is told, and what it records."""

import attrs

# Commands


@attrs.frozen
class Create:
    """Have a new volume. ``quota_mb`` is None where it has no ceiling; ``at`` is Unix seconds."""

    volume_id: str
    quota_mb: int | None
    at: float


@attrs.frozen
class Resize:
    """Have another ceiling for the volume, in megabytes."""

    volume_id: str
    quota_mb: int


@attrs.frozen
class Delete:
    """Have the volume no more."""

    volume_id: str


Message = Create | Resize | Delete


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


Event = VolumeCreated | VolumeResized | VolumeDeleted
