"""What the port pool is told, and what it records."""

import attrs

# A key is (ip, port, protocol); ``ip`` in its canonical form, ``protocol`` is ``tcp`` or ``udp``.
Key = tuple[str, int, str]


# Commands


@attrs.frozen
class Add:
    """Have ``keys`` in the pool, none of which may be in it."""

    keys: tuple[Key, ...]


@attrs.frozen
class Remove:
    """Take ``keys`` out of the pool. Held ones are a rejection, or passed over with ``skip_held``."""

    keys: tuple[Key, ...]
    skip_held: bool = False


@attrs.frozen
class Mark:
    """Note by hand whether a port is in use."""

    key: Key
    in_use: bool


@attrs.frozen
class Lease:
    """Have every one of ``keys`` held by ``owner``, or none."""

    owner: str
    keys: tuple[Key, ...]


@attrs.frozen
class Keep:
    """Have nothing held by ``owner`` but ``keys``."""

    owner: str
    keys: tuple[Key, ...]


Message = Add | Remove | Mark | Lease | Keep


# Events


@attrs.frozen
class PortsAdded:
    """``keys`` came into the pool, free."""

    keys: tuple[Key, ...]


@attrs.frozen
class PortsRemoved:
    """``keys`` left the pool."""

    keys: tuple[Key, ...]


@attrs.frozen
class PortMarked:
    """A port was noted as used, or as not used, by hand."""

    key: Key
    in_use: bool


@attrs.frozen
class PortsLeased:
    """``keys`` are held by ``owner`` from now on."""

    owner: str
    keys: tuple[Key, ...]


@attrs.frozen
class PortsReleased:
    """``owner`` no longer holds ``keys``."""

    owner: str
    keys: tuple[Key, ...]


Event = PortsAdded | PortsRemoved | PortMarked | PortsLeased | PortsReleased
