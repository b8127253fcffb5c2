"""The bodies that clients send: each field with the rule that reads it.

Types are not bent: ``"8080"`` is no number, ``1`` is no boolean.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import attrs

from lightd.api import mount_rules
from lightd.api.mount_rules import to_pairs
from lightd.config.addresses import to_address
from lightd.engines import image_names
from lightd.engines.patterns import LONGEST, BadPattern, check_pattern

_INTERNAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_USER = re.compile(r"[0-9]{1,9}(?::[0-9]{1,9})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(image_names.PATTERN)
_LONGEST_TEXT = 64 * 1024
_LONGEST_SCRIPT = 1024 * 1024
_SMALLEST_MEMORY = 6 * 1024 * 1024  # Docker refuses less


@attrs.frozen(eq=False)
class Rule:
    """Reads one value: returns it in its final form, or raises ``ValueError`` with what it must be.

    ``schema`` says the same to a client, as far as JSON Schema can.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any] = attrs.field(factory=dict)


def _any_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - a value of a client's, not a type of ours
    return value


def _text(value: object, *, longest: int = _LONGEST_TEXT) -> str:
    text = _any_text(value)
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    if len(text) > longest:
        raise ValueError(f"must not be longer than {longest} characters")
    return text


def _filled(value: object) -> str:
    if not _text(value).strip():
        raise ValueError("must not be empty")
    return _text(value)


def _matching(pattern: re.Pattern[str], means: str) -> Rule:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {means}")
        return value

    return Rule(read, {"type": "string", "pattern": f"^(?:{pattern.pattern})$", "description": means})


def _number(low: float, high: float) -> Rule:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(value)

    return Rule(read, {"type": "number", "minimum": low, "maximum": high})


def whole(low: int, high: int) -> Rule:
    """Return the rule for a whole number from ``low`` to ``high``."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return Rule(read, {"type": "integer", "minimum": low, "maximum": high})


def _ip(value: object) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError  # noqa: TRY004, TRY301 - one sentence for all that is no address
        return str(to_address(value)) if "%" not in value else str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address") from None


def _pattern(value: object) -> str:
    pattern = _text(value)
    try:
        check_pattern(pattern)
    except BadPattern as error:
        raise ValueError(f"is not a valid regular expression: {error}") from None
    return pattern


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - a value of a client's
    return value


def _environment(value: object) -> tuple[tuple[str, str], ...]:
    pairs = to_pairs(value)
    for name, content in pairs:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a variable")
        if not isinstance(content, str) or "\0" in content:
            raise ValueError(f"the value of {name} must be a string")
    return pairs


def one_of(*words: str) -> Rule:
    """Return the rule for one of ``words``."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return str(value)

    return Rule(read, {"type": "string", "enum": list(words)})


INTERNAL_ID = _matching(_INTERNAL_ID, "1 to 63 letters, digits, '_', '.' and '-', the first no sign")
VOLUME_ID = _matching(_UUID, "a lower-case UUID")
PROTOCOL = one_of("tcp", "udp")
IP = Rule(_ip, {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})

_NO_NUL = r"^[^\u0000]*$"
_FILLED = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"


def _to_text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "pattern": _NO_NUL}


InternalId = Annotated[str, INTERNAL_ID]
VolumeId = Annotated[str, VOLUME_ID]
PortNumber = Annotated[int, whole(1, 65535)]
Protocol = Annotated[str, PROTOCOL]
Ip = Annotated[str, IP]
Text = Annotated[str, Rule(_text, _to_text(_LONGEST_TEXT))]
Filled = Annotated[str, Rule(_filled, {**_to_text(_LONGEST_TEXT), "pattern": _FILLED})]
AnyText = Annotated[str, Rule(_any_text, {"type": "string"})]
Flag = Annotated[bool, Rule(_flag, {"type": "boolean"})]
Image = Annotated[str, _matching(_IMAGE, image_names.MEANS)]
Pattern = Annotated[str, Rule(_pattern, {**_to_text(LONGEST), "description": "an RE2 expression"})]
Script = Annotated[str, Rule(lambda value: _text(value, longest=_LONGEST_SCRIPT), _to_text(_LONGEST_SCRIPT))]
Environment = Annotated[
    Any,
    Rule(
        _environment,
        {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{_NAME.pattern})$"},
            "additionalProperties": {"type": "string", "pattern": _NO_NUL},
        },
    ),
]
Mounts = Annotated[Any, Rule(mount_rules.to_mounts, mount_rules.SCHEMA)]


@attrs.frozen
class PortBody:
    """A port of the pool."""

    ip: Ip
    port: PortNumber
    protocol: Protocol = "tcp"


@attrs.frozen
class PortUseBody:
    """A note made by hand."""

    in_use: Flag


@attrs.frozen
class PortRangeBody:
    """Many ports: a range, or a list."""

    ip: Ip | None = None
    first: PortNumber | None = None
    last: PortNumber | None = None
    protocol: Protocol | None = None
    ports: tuple[PortBody, ...] | None = None


@attrs.frozen
class PortListBody:
    """Ports to take out of the pool; without a protocol, the one there is, else tcp."""

    @attrs.frozen
    class Item:
        """One of them."""

        ip: Ip
        port: PortNumber
        protocol: Protocol | None = None

    ports: tuple[Item, ...]


@attrs.frozen
class BindingBody:
    """A port that a container uses."""

    ip: Ip
    port: PortNumber
    protocol: Protocol = "tcp"
    container_port: PortNumber | None = None


@attrs.frozen
class LimitsBody:
    """A container's ceilings."""

    memory: Annotated[int, whole(_SMALLEST_MEMORY, 2**60)] | None = None
    cpu: Annotated[float, _number(0.01, 1024)] | None = None
    pids: Annotated[int, whole(1, 2**22)] | None = None


@attrs.frozen
class StopBody:
    """How a container is asked to stop."""

    type: Annotated[str, one_of("signal", "command")] = "signal"
    value: Filled | None = None
    timeout: Annotated[float, _number(0, 3600)] = 10.0


@attrs.frozen
class RestartBody:
    """What follows an exit."""

    mode: Annotated[str, one_of("never", "on-crash", "always")] = "never"
    max: Annotated[int, whole(1, 1000)] = 3
    within: Annotated[float, _number(1, 86400)] = 60.0


@attrs.frozen
class ContainerBody:
    """All that may be asked of a new container."""

    internal_id: InternalId
    image: Image
    volume_id: VolumeId
    startup_command: Filled
    start_pattern: Pattern | None = None
    ports: tuple[BindingBody, ...] = ()
    limits: LimitsBody = LimitsBody()
    mount: Mounts = ()
    install_script: Script | None = None
    environment: Environment = ()
    user: Annotated[str, _matching(_USER, "a numeric uid or uid:gid")] | None = None
    tty: Flag = True
    stop: StopBody = StopBody()
    restart_policy: RestartBody = RestartBody()
    read_only: Flag | None = None


@attrs.frozen
class ReinstallBody:
    """What a reinstallation changes."""

    image: Image | None = None
    install_script: Script | None = None


@attrs.frozen
class RebindBody:
    """The ports that a container is to have instead of those it has."""

    ports: tuple[BindingBody, ...]


@attrs.frozen
class EditBody:
    """What of a container is to be something else; an empty pattern takes it away."""

    startup_command: Filled | None = None
    start_pattern: Pattern | None = None
    environment: Environment | None = None
    stop: StopBody | None = None
    restart_policy: RestartBody | None = None
    limits: LimitsBody | None = None
    read_only: Flag | None = None


# Fields whose key is a word of Python's.
RENAMED: dict[type, dict[str, str]] = {PortRangeBody: {"first": "from", "last": "to"}}
