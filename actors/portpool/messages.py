"""The messages and events of the port pool."""

import attrs

# A key is (ip, port, protocol); ``ip`` in its canonical form, ``protocol`` is ``tcp`` or ``udp``.
Key = tuple[str, int, str]


# Commands


@attrs.frozen
class Add:
    """Add ``keys`` to the pool; rejected if one of them is in it."""

    keys: tuple[Key, ...]


@attrs.frozen
class Remove:
    """Remove ``keys`` from the pool. A held one is rejected, or skipped with ``skip_held``."""

    keys: tuple[Key, ...]
    skip_held: bool = False


@attrs.frozen
class Mark:
    """Mark a port manually as in use or not."""

    key: Key
    in_use: bool


@attrs.frozen
class Lease:
    """Lease all of ``keys`` to ``owner``, or none; with ``add``, those that are missing are added first."""

    owner: str
    keys: tuple[Key, ...]
    add: bool = False


@attrs.frozen
class Keep:
    """Release everything that ``owner`` holds except ``keys``."""

    owner: str
    keys: tuple[Key, ...]


Message = Add | Remove | Mark | Lease | Keep


# Events


@attrs.frozen
class PortsAdded:
    """``keys`` were added to the pool, free."""

    keys: tuple[Key, ...]


@attrs.frozen
class PortsRemoved:
    """``keys`` were removed from the pool."""

    keys: tuple[Key, ...]


@attrs.frozen
class PortMarked:
    """A port was marked manually as in use or not."""

    key: Key
    in_use: bool


@attrs.frozen
class PortsLeased:
    """``keys`` were leased to ``owner``."""

    owner: str
    keys: tuple[Key, ...]


@attrs.frozen
class PortsReleased:
    """``keys`` of ``owner`` were released."""

    owner: str
    keys: tuple[Key, ...]


Event = PortsAdded | PortsRemoved | PortMarked | PortsLeased | PortsReleased
