"""The messages and events of the credentials actor. None of them contains a password, only its slow hash."""

import attrs

# Commands. Times are in Unix seconds.


@attrs.frozen
class Add:
    """Add a credential to a container.

    ``username`` is the part of the login before the container's id, '' for the id alone. ``password_hash`` is
    '' without a password; ``public_keys`` are OpenSSH public keys without their comments. ``expires_at`` is
    None for no end.
    """

    credential_id: str
    internal_id: str
    username: str
    password_hash: str = attrs.field(repr=False)
    public_keys: tuple[str, ...]
    read_only: bool
    at: float
    expires_at: float | None


@attrs.frozen
class Remove:
    """Remove a credential of a container."""

    internal_id: str
    credential_id: str
    at: float


@attrs.frozen
class Sweep:
    """Remove the credentials that have expired, and those that are ``outlived`` by their container."""

    at: float
    outlived: frozenset[str] = frozenset()


Message = Add | Remove | Sweep


# Events


@attrs.frozen
class CredentialAdded:
    """A credential was added to a container; its fields are those of ``Add``."""

    credential_id: str
    internal_id: str
    username: str
    password_hash: str = attrs.field(repr=False)
    public_keys: tuple[str, ...]
    read_only: bool
    created_at: float
    expires_at: float | None


@attrs.frozen
class CredentialRemoved:
    """A credential was removed."""

    credential_id: str


@attrs.frozen
class CredentialsSwept:
    """These credentials had expired, or their containers were deleted."""

    credential_ids: tuple[str, ...]


Event = CredentialAdded | CredentialRemoved | CredentialsSwept
