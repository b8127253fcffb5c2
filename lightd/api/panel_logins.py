"""What the panel is asked about a client of SFTP, and what it answers."""

import attrs


@attrs.frozen
class PanelLogin:
    """May this user log in to the files of this container? ``key`` is an OpenSSH public key, or empty."""

    username: str
    internal_id: str
    password: str = attrs.field(repr=False)
    key: str
    address: str


@attrs.frozen
class PanelGrant:
    """It may, for ``ttl`` seconds."""

    read_only: bool
    ttl: float
