"""How single values of the configuration are read: one ``Rule`` for each kind of key.

A rule says the same thing three times and is therefore one record: for the parser (``read``), for the error
message (``means``), and for an editor (``schema``, JSON Schema 2020-12). The schema may accept more than the
rule, but never less.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs

from lightd.config.addresses import to_address
from lightd.config.engines import ENGINES
from lightd.logs.redaction import redact

SMALLEST_POOL = 128  # megabytes: a btrfs cannot be much smaller
LONGEST_SHOWN = 60  # characters of a wrong value that an error message quotes
HIGHEST_PORT = 65535
LOWEST_MTU = 576  # RFC 791: what every IPv4 host must accept
HIGHEST_MTU = 65_535
LOWEST_USER = 1000  # below are the system's own users
EVERY_ORIGIN = "*"
DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})


@attrs.frozen
class Rule:
    """A kind of value: "must be ``means``"; ``read`` returns it or raises ``ValueError``.

    ``alone`` is a value that can replace a whole list of such values.
    """

    means: str
    read: Callable[[object], Any]
    schema: Mapping[str, object]
    secret: bool = False
    alone: str | None = None


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


def shown(value: object) -> str:
    """``value`` as an error message may quote it: one short line, without a token."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = redact(json.dumps(value))  # a token may be the value of the wrong key
            return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def shown_key(key: str) -> str:
    """``key`` as a path may contain it: unchanged if it is a plain word and no token, else as ``shown``."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) and redact(key) == key else shown(key)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback address: ``localhost``, ``::1``, or an address in 127.0.0.0/8."""
    if host.lower() == "localhost":
        return True
    try:
        return to_address(host).is_loopback
    except ValueError:
        return False


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    value.encode()  # a lone surrogate has no UTF-8: UnicodeEncodeError is a ValueError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - every rule rejects with ValueError
    return value


def _number(low: int, high: int) -> Rule:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return Rule(
        f"a whole number between {low} and {high}",
        read,
        {"type": "integer", "minimum": low, "maximum": high},
    )


def _matching(means: str, pattern: str, *, secret: bool = False) -> Rule:
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        text = _text(value)
        if compiled.fullmatch(text) is None:
            raise ValueError
        return text

    return Rule(means, read, {"type": "string", "pattern": f"^(?:{pattern})$"}, secret)


def _one_of(means: str, *words: str) -> Rule:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    return Rule(means, read, {"enum": list(words)})


def _pool(value: object) -> int:
    size: int = POOL_SIZE.read(value)
    if 0 < size < SMALLEST_POOL:
        raise ValueError
    return size


def _mtu(value: object) -> int:
    size: int = MTU_SIZE.read(value)
    if 0 < size < LOWEST_MTU:
        raise ValueError
    return size


def _host(value: object) -> str:
    host = _text(value)
    try:
        host = host if "%" in host else str(to_address(host))
    except ValueError:
        if re.fullmatch(r"(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9_-]{0,62}", host) is None:
            raise
    if "%" in host:  # the scope of an IPv6 address
        raise ValueError
    return host


def _path(value: object) -> Path:
    return Path(_text(value))


def _file(value: object) -> Path | None:
    return None if value == "" else _path(value)


def _origin(value: object) -> str:
    text = _text(value)
    if text == EVERY_ORIGIN:
        return text
    origin = to_origin(text)
    if origin is None:
        raise ValueError
    return origin


def to_origin(text: str) -> str | None:
    """``text`` as browsers write an origin (RFC 6454, 6.2): lower case, no default port; None if invalid."""
    found = re.fullmatch(_ORIGIN, text)
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
    uid, gid = (int(number) for number in USER_TEXT.read(value).split(":"))
    if max(uid, gid) >= 2**31:  # the highest that runc takes is 2**31 - 1
        raise ValueError
    return User(uid, gid)


def _users(value: object) -> Users:
    first, last = (int(number) for number in RANGE_TEXT.read(value).split("-"))
    if not LOWEST_USER <= first <= last < 2**31:
        raise ValueError
    return Users(first, last)


def _url(value: object) -> str:
    if value == "":
        return ""
    url = _text(value)
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
    return "" if value == "" else str(TOKEN.read(value))


_ORIGIN = (
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://"
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_FORM = r"lightd_[!-~]{13,}"
_IN_WORDS = 'a token: "lightd_" followed by at least 13 printable ASCII characters without spaces'

TEXT = Rule("a non-empty string", _text, {"type": "string", "minLength": 1})
FLAG = Rule("true or false", _flag, {"type": "boolean"})
PORT = _number(0, HIGHEST_PORT)
TMP = _number(1, 65_536)
MTU_SIZE = _number(0, HIGHEST_MTU)
MTU = Rule(f"0, or a whole number between {LOWEST_MTU} and {HIGHEST_MTU}", _mtu, MTU_SIZE.schema)
INTERVAL = _number(100, 60_000)
DAYS = _number(1, 3650)
ENTRIES = _number(1000, 10**8)
ENGINE = _one_of(" or ".join(f'"{name}"' for name in ENGINES), *ENGINES)
QUOTA = _one_of('"auto", "pool" or "accounted"', "auto", "pool", "accounted")
POOL_SIZE = _number(0, 2**40)
POOL = Rule(f"0, or a whole number between {SMALLEST_POOL} and {2**40}", _pool, POOL_SIZE.schema)
HOST = Rule("an IP address or a host name", _host, {"type": "string", "minLength": 1})
NODE = _matching("a name of 1 to 63 characters out of A-Z a-z 0-9 _ . -", r"[A-Za-z0-9_.-]{1,63}")
TOKEN = _matching(_IN_WORDS, _FORM, secret=True)
PANEL_TOKEN = Rule(
    f"{_IN_WORDS}, or empty",
    _panel_token,
    {"type": "string", "pattern": f"^(?:{_FORM})?$"},
    secret=True,
)
CATCH_UP = _one_of('"all" or "latest"', "all", "latest")
PATH = Rule("a path", _path, {"type": "string", "minLength": 1})
FILE = Rule("a path, or empty", _file, {"type": "string"})
ORIGIN = Rule(
    'an origin without a path, for example "https://panel.example" or "http://localhost:3000", or "*"',
    _origin,
    {"type": "string", "pattern": r"^(?:\*|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]+)$"},
    alone=EVERY_ORIGIN,
)
MOUNT = Rule('an absolute path without ".."', _mount, {"type": "string", "pattern": "^/"})
USER_TEXT = _matching("two numbers", r"[0-9]{1,10}:[0-9]{1,10}")
USER = Rule(
    '"auto", or "uid:gid", two numbers below 2147483648',
    _user,
    {"type": "string", "pattern": r"^(?:auto|[0-9]{1,10}:[0-9]{1,10})$"},
)
RANGE_TEXT = _matching("two numbers", r"[0-9]{1,10}-[0-9]{1,10}")
USERS = Rule(
    f'"first-last", two numbers from {LOWEST_USER} to 2147483647, the first not above the last',
    _users,
    RANGE_TEXT.schema,
)
URL = Rule(
    "an http:// or https:// URL without a password, query or fragment, or empty",
    _url,
    {"type": "string", "pattern": "^(?:https?://.+)?$"},
    secret=True,  # a password in a wrong URL must not be shown
)
