"""The messages between the daemon and the processes of the SFTP server. Pure.

They are sent over a Unix socket that keeps their bounds (``SOCK_SEQPACKET``), each as one JSON object of at
most ``LONGEST`` bytes. A connection begins with ``Hello`` (the server itself), or with ``Login`` or
``Resume`` (the process of one SSH connection). The daemon answers each ``Login``, ``Open``, ``Resume`` and
``Charge``, in their order; ``End``, ``Deny``, ``Leave`` and ``Kill`` come unasked, and nothing else is
answered.

An accepted ``Open`` carries the descriptor of the volume's folder (``SCM_RIGHTS``).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

LONGEST: Final = 150_000
"""Bytes of one message; the kernel's default buffer of a socket takes one of 200,000."""

LONGEST_TEXT: Final = 4096
"""Bytes of a path, a user name or a password in UTF-8; longer ones are cut or refused by the sender."""


class Malformed(Exception):  # noqa: N818 - names the state
    """A message that no process of ours sends."""


# From the server


@attrs.frozen
class Hello:
    """The server listens, on ``addresses``; ``settings`` says with which settings and which version."""

    settings: str
    pid: int
    addresses: tuple[str, ...]


@attrs.frozen
class Login:
    """May this client log in? ``key`` is an OpenSSH public key without its comment, or empty.

    A key was only offered: that the client has it is checked before ``Open``.
    """

    username: str
    password: str
    key: str
    address: str


@attrs.frozen
class Open:
    """The client of the last accepted ``Login`` has logged in; ``key`` is the one that it has proven.

    ``pid`` is the process that asks.
    """

    username: str
    key: str
    pid: int


@attrs.frozen
class Resume:
    """The session ``session`` goes on after a restart of the daemon; ``ticket`` is from its ``Accepted``."""

    session: str
    ticket: str
    address: str
    pid: int


@attrs.frozen
class Charge:
    """Reserve room in the volume: bytes, and entries (names)."""

    bytes: int
    entries: int


@attrs.frozen
class Report:
    """What the client did since the last report.

    ``done`` has for each change its verb, a path and, for a rename or a link, a second path or ''. ``more``
    counts changes that were left out, ``read`` and ``written`` bytes, ``files`` opened files.
    """

    done: tuple[tuple[str, str, str], ...]
    more: int
    read: int
    written: int
    files: int


# From the daemon


@attrs.frozen
class Verdict:
    """The answer to ``Login``: whether it is accepted."""

    accepted: bool


@attrs.frozen
class Accepted:
    """The answer to ``Open`` and ``Resume``: serve the volume to ``user`` (``uid:gid``).

    ``denied`` are the deny lists of the volume. ``limit`` and ``used`` are its size and usage in bytes, None
    if unknown; with ``counted`` bytes are charged, and not only entries.
    """

    session: str
    ticket: str
    user: str
    read_only: bool
    denied: tuple[tuple[str, ...], ...]
    limit: int | None
    used: int | None
    counted: bool


@attrs.frozen
class Refused:
    """The answer to ``Open`` and ``Resume``: end the connection, for this reason."""

    reason: str


@attrs.frozen
class Granted:
    """The answer to ``Charge``: false if there is no room."""

    granted: bool


@attrs.frozen
class End:
    """End this connection: its credential, or its container, is gone."""

    reason: str


@attrs.frozen
class Deny:
    """The deny lists of the volume from now on."""

    denied: tuple[tuple[str, ...], ...]


@attrs.frozen
class Leave:
    """Accept no more connections, and end when the last one has ended: another server takes over."""


@attrs.frozen
class Kill:
    """Kill a connection of the server: it was told to end, and did not."""

    pid: int


Request = Hello | Login | Open | Resume | Charge | Report
Answer = Verdict | Accepted | Refused | Granted | End | Deny | Leave | Kill

_WHOLE: Final = 2**63


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("not a text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < _WHOLE:
        raise Malformed("not a whole number")
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise Malformed("not a flag")
    return value


def _whole_or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Malformed("not a list")
    return tuple(map(_text, value))


def _lists(value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        raise Malformed("not a list")
    return tuple(map(_texts, value))


def _changes(value: object) -> tuple[tuple[str, str, str], ...]:
    found = []
    for each in _lists(value):
        if len(each) != 3:  # noqa: PLR2004 - a verb and two paths
            raise Malformed("not a change")
        found.append((each[0], each[1], each[2]))
    return tuple(found)


_READERS: Final[Mapping[Any, Callable[[object], Any]]] = {
    str: _text,
    int: _whole,
    bool: _flag,
    int | None: _whole_or_none,
    tuple[str, ...]: _texts,
    tuple[tuple[str, ...], ...]: _lists,
    tuple[tuple[str, str, str], ...]: _changes,
}
_KINDS: Final[Mapping[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        Hello,
        Login,
        Open,
        Resume,
        Charge,
        Report,
        Verdict,
        Accepted,
        Refused,
        Granted,
        End,
        Deny,
        Leave,
        Kill,
    )
}


def to_bytes(message: Request | Answer) -> bytes:
    """Return the encoded ``message``; raises ``Malformed`` if it is longer than ``LONGEST``."""
    fields = attrs.asdict(message, recurse=False)
    encoded = json.dumps([type(message).__name__, fields], ensure_ascii=False, separators=(",", ":"))
    data = encoded.encode("utf-8", "surrogatepass")
    if len(data) > LONGEST:
        raise Malformed("too long")
    return data


def from_bytes(data: bytes) -> Request | Answer:
    """Return the message in ``data``; raises ``Malformed``."""
    try:
        name, fields = json.loads(data.decode("utf-8", "surrogatepass"))
        kind = _KINDS[name]
        rules = {field.name: _READERS[field.type] for field in attrs.fields(kind)}
        if fields.keys() != rules.keys():
            raise Malformed("other fields")
        message: Request | Answer = kind(**{key: rules[key](value) for key, value in fields.items()})
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise Malformed("not a message") from None
    return message
