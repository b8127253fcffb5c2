"""How single values of the configuration are read: one ``Rule`` for each kind of key."""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import attrs

from lightd.config.addresses import to_address
from lightd.config.engines import ENGINES
from lightd.validation.rules import Rule, matching, one_of, text, whole

SMALLEST_POOL: Final = 128  # megabytes: a btrfs cannot be much smaller
HIGHEST_PORT = 65535
LOWEST_MTU = 576  # RFC 791: what every IPv4 host must accept
HIGHEST_MTU = 65_535
LOWEST_USER = 1000  # below are the system's own users
HIGHEST_ID: Final = 2**31 - 1  # the highest that runc takes
EVERY_ORIGIN = "*"
DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})


@attrs.frozen
class User:
    """The user and the group that a server runs as."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return "auto" if self == AUTO else f"{self.uid}:{self.gid}"


AUTO = User(-1, -1)
"""``"auto"``: each volume gets a user of its own. chown(2) changes nothing for these numbers."""


@attrs.frozen
class Users:
    """A range of users, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback address: ``localhost``, ``::1``, or an address in 127.0.0.0/8."""
    if host.lower() == "localhost":
        return True
    try:
        return to_address(host).is_loopback
    except ValueError:
        return False


def _filled(value: object) -> str:
    found = text(value)
    if not found or "\0" in found:
        raise ValueError
    found.encode()  # a lone surrogate has no UTF-8: UnicodeEncodeError is a ValueError
    return found


def _zero_or(low: int, high: int) -> Rule:
    """Return the rule for 0, or a whole number from ``low`` to ``high``."""

    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or 0 != value < low or value > high:
            raise ValueError
        return value

    schema = {"type": "integer", "minimum": 0, "maximum": high}
    return Rule(f"0, or a whole number between {low} and {high}", convert, schema)


def _host(value: object) -> str:
    host = _filled(value)
    try:
        host = host if "%" in host else str(to_address(host))
    except ValueError:
        if re.fullmatch(r"(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9_-]{0,62}", host) is None:
            raise
    if "%" in host:  # the scope of an IPv6 address
        raise ValueError
    return host


def _path(value: object) -> Path:
    return Path(_filled(value))


def _file(value: object) -> Path | None:
    return None if value == "" else _path(value)


def _origin(value: object) -> str:
    found = _filled(value)
    if found == EVERY_ORIGIN:
        return found
    origin = to_origin(found)
    if origin is None:
        raise ValueError
    return origin


def to_origin(given: str) -> str | None:
    """``given`` as browsers write an origin (RFC 6454, 6.2): lower case, no default port; None if invalid."""
    found = re.fullmatch(_ORIGIN, given)
    if found is None or not 0 < int(found["port"] or 1) <= HIGHEST_PORT:
        return None
    scheme, host, port = found["scheme"].lower(), found["host"].lower(), found["port"]
    usual = port is None or int(port) == DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if usual else f"{scheme}://{host}:{int(port)}"


def _mount(value: object) -> Path:
    path = _path(value)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError
    return path


def _user(value: object) -> User:
    if value == "auto":
        return AUTO
    uid, gid = (int(number) for number in _USER.convert(value).split(":"))
    if max(uid, gid) > HIGHEST_ID:
        raise ValueError
    return User(uid, gid)


def _users(value: object) -> Users:
    first, last = (int(number) for number in _RANGE.convert(value).split("-"))
    if not LOWEST_USER <= first <= last <= HIGHEST_ID:
        raise ValueError
    return Users(first, last)


def _url(value: object) -> str:
    if value == "":
        return ""
    url = _filled(value)
    parts = urlsplit(url)  # raises ValueError for brackets that hold no address
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.port == 0  # raises ValueError where it is no port
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or re.fullmatch(r"[!-~]+", url) is None
    ):
        raise ValueError
    return url


def _panel_token(value: object) -> str:
    return "" if value == "" else str(TOKEN.convert(value))


_USER = matching("two numbers", r"[0-9]{1,10}:[0-9]{1,10}")
_RANGE = matching("two numbers", r"[0-9]{1,10}-[0-9]{1,10}")
_ORIGIN = (
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://"
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_FORM = r"lightd_[!-~]{13,}"
_IN_WORDS = 'a token: "lightd_" followed by at least 13 printable ASCII characters without spaces'

TEXT = Rule("a non-empty string", _filled, {"type": "string", "minLength": 1})
PORT = whole(0, HIGHEST_PORT)
TMP = whole(1, 65_536)
MTU = _zero_or(LOWEST_MTU, HIGHEST_MTU)
INTERVAL = whole(100, 60_000)
VIEWERS = whole(1, 10_000)
DAYS = whole(1, 3650)
CACHE = whole(1, 3600)
ENTRIES = whole(1000, 10**8)
ENGINE = one_of(*ENGINES)
QUOTA = one_of("auto", "pool", "accounted")
POOL = _zero_or(SMALLEST_POOL, 2**40)
HOST = Rule("an IP address or a host name", _host, {"type": "string", "minLength": 1})
NODE = matching("a name of 1 to 63 characters out of A-Z a-z 0-9 _ . -", r"[A-Za-z0-9_.-]{1,63}")
TOKEN = matching(_IN_WORDS, _FORM, secret=True)
PANEL_TOKEN = Rule(
    f"{_IN_WORDS}, or empty",
    _panel_token,
    {"type": "string", "pattern": f"^(?:{_FORM})?$"},
    secret=True,
)
CATCH_UP = one_of("all", "latest")
PATH = Rule("a path", _path, {"type": "string", "minLength": 1})
FILE = Rule("a path, or empty", _file, {"type": "string"})
ORIGIN = Rule(
    'an origin without a path, for example "https://panel.example" or "http://localhost:3000", or "*"',
    _origin,
    {"type": "string", "pattern": r"^(?:\*|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]+)$"},
    alone=EVERY_ORIGIN,
)
MOUNT = Rule('an absolute path without ".."', _mount, {"type": "string", "pattern": "^/"})
USER = Rule(
    '"auto", or "uid:gid", two numbers below 2147483648',
    _user,
    {"type": "string", "pattern": r"^(?:auto|[0-9]{1,10}:[0-9]{1,10})$"},
)
USERS = Rule(
    f'"first-last", two numbers from {LOWEST_USER} to 2147483647, the first not above the last',
    _users,
    _RANGE.schema,
)
URL = Rule(
    "an http:// or https:// URL without a password, query or fragment, or empty",
    _url,
    {"type": "string", "pattern": "^(?:https?://.+)?$"},
    secret=True,  # a password in a wrong URL must not be shown
)
