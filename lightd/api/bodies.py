"""The bodies of requests, each field with the rule that reads it, and the rules of the API."""

import ipaddress
import re
from typing import Annotated, Any, get_args

import attrs

from actors.container.plain_text import to_command, to_text
from actors.container.state import PowerState
from lightd.api import mount_rules
from lightd.api.mount_rules import to_pairs
from lightd.config.addresses import to_address
from lightd.eggs import limits
from lightd.eggs.limits import LONGEST_VALUE, MOST_CHARACTERS, MOST_VARIABLES
from lightd.engines import image_names
from lightd.engines.patterns import LONGEST, BadPattern, check_pattern, check_texts
from lightd.files import denying
from lightd.validation import rules
from lightd.validation.reading import KEY
from lightd.validation.rules import FLAG, Invalid, Rule, matching, one_of, whole
from lightd.validation.schema import Described

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_TEXT = 64 * 1024
_LONGEST_SCRIPT = 1024 * 1024
MOST_TEXTS = 16
LONGEST_START_TEXT = 512
LONGEST_VARIABLE = 255
MOST_LABELS = 32
LONGEST_LABEL = 255
LONGEST_NAME = 100
LABEL_MEANS = "1 to 63 letters, digits, '.', '_', '/' and '-', beginning and ending with a letter or digit"
LABEL_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(LABEL_NAME)
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
"""Control characters, separators of lines, and those that change the direction of text."""
_UNPRINTABLE = re.compile(f"[{_CONTROL}]")
LABEL_FILTER = rf"{LABEL_NAME}(?:=[^{_CONTROL}]{{0,{LONGEST_LABEL}}})?"
_NO_NUL = r"^[^\u0000]*$"
_FILLED = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"


def _text(longest: int) -> Rule:
    def convert(value: object) -> str:
        text = to_text(rules.text(value))
        if "\0" in text:
            raise Invalid("must not contain a NUL character")
        if len(text) > longest:
            raise Invalid(f"must not be longer than {longest} characters (got {len(text)})")
        return text

    schema = {"type": "string", "maxLength": longest, "pattern": _NO_NUL}
    return Rule("a string", convert, schema, obvious=True)


_TEXT = _text(_LONGEST_TEXT)


def _line(means: str, longest: int) -> Rule:
    def convert(value: object) -> str:
        text = rules.text(value)
        if not text.strip() or any(end in text for end in "\0\r\n"):
            raise Invalid("must not be empty, and must not contain ends of lines or NUL characters")
        if len(text) > longest:
            raise Invalid(f"must not be longer than {longest} characters (got {len(text)})")
        return text

    pattern = r"^[^\u0000\r\n]*[^\s\u0000][^\u0000\r\n]*$"
    return Rule(means, convert, {"type": "string", "maxLength": longest, "pattern": pattern})


_START_TEXT = _line("a text in one line", LONGEST_START_TEXT)
_DENIED = _line("a pattern in one line", denying.LONGEST_PATTERN)


def _to_filled(value: object) -> str:
    text = to_command(_TEXT.convert(value))
    if not text.strip():
        raise Invalid("must not be empty")
    return text


def _to_ip(value: object) -> str:
    text = rules.text(value)
    return str(ipaddress.ip_address(text) if "%" in text else to_address(text))


def _to_pattern(value: object) -> str:
    pattern = to_command(_TEXT.convert(value))
    try:
        check_pattern(pattern)
    except BadPattern as error:
        raise Invalid(f"is not a valid regular expression: {error}") from None
    return pattern


def _to_texts(value: object, of: Rule, most: int, means: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Invalid(f"must be a list of {means}")
    if len(value) > most:
        raise Invalid(f"must be at most {most} {means} (got {len(value)})")
    texts = []
    for index, each in enumerate(value):
        try:
            texts.append(of.read(each))
        except Invalid as error:
            raise Invalid(f"entry {index} {error}") from None
    return tuple(texts)


def _to_start_texts(value: object) -> tuple[str, ...]:
    texts = _to_texts(value, _START_TEXT, MOST_TEXTS, "texts")
    try:
        check_texts(texts)
    except BadPattern as error:
        raise Invalid(str(error)) from None
    return texts


def _to_denylist(value: object) -> tuple[str, ...]:
    patterns = _to_texts(value, _DENIED, denying.MOST_PATTERNS, "patterns")
    for index, pattern in enumerate(patterns):
        try:
            denying.check_pattern(pattern)
        except ValueError as error:
            raise Invalid(f"entry {index} {error}") from None
    return patterns


def _to_environment(value: object) -> tuple[tuple[str, str], ...]:
    pairs = to_pairs(value)
    for name, content in pairs:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is not the name of a variable")
        if not isinstance(content, str) or "\0" in content:
            raise Invalid(f"the value of {name} must be a string without a NUL character")
    return pairs


def _to_variables(value: object) -> tuple[tuple[str, str], ...]:
    pairs = to_pairs(value)
    if len(pairs) > MOST_VARIABLES:
        raise Invalid(f"must be at most {MOST_VARIABLES} variables (got {len(pairs)})")
    for name, content in pairs:
        if not name or len(name) > LONGEST_VARIABLE or "=" in name or "\0" in name:
            raise Invalid(f"{name[:80]!r} is not the name of a variable")
        if not isinstance(content, str) or "\0" in content:
            raise Invalid(f"the value of {name} must be a string without a NUL character")
        if len(content) > LONGEST_VALUE:
            raise Invalid(f"the value of {name} must not be longer than {LONGEST_VALUE} characters")
    if sum(len(name) + len(content) for name, content in pairs) > MOST_CHARACTERS:
        raise Invalid(f"must not have more than {MOST_CHARACTERS} characters together")
    return pairs


def _to_plain(value: object, longest: int, of: str = "") -> str:
    if not isinstance(value, str) or _UNPRINTABLE.search(value):
        raise Invalid(f"{of}must be a string without control characters")
    if len(value) > longest:
        raise Invalid(f"{of}must not be longer than {longest} characters (got {len(value)})")
    return value


def _to_labels(value: object) -> tuple[tuple[str, str], ...]:
    pairs = to_pairs(value)
    if len(pairs) > MOST_LABELS:
        raise Invalid(f"must be at most {MOST_LABELS} labels (got {len(pairs)})")
    for name, _ in pairs:
        if not _LABEL.fullmatch(name):
            raise Invalid(f"{name[:80]!r} is not the name of a label: {LABEL_MEANS}")
    labels = [(name, _to_plain(text, LONGEST_LABEL, f"the value of {name} ")) for name, text in pairs]
    return tuple(sorted(labels))


def _to_display_name(value: object) -> str:
    return _to_plain(value, LONGEST_NAME).strip()


INTERNAL_ID = matching(
    "1 to 63 letters, digits, '_', '.' or '-', beginning with a letter or digit",
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}",
)
VOLUME_ID = matching("a lower-case UUID", r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
PROTOCOL = one_of("tcp", "udp")
POWER_STATE = one_of(*get_args(PowerState))
LABEL = matching(f"the name of a label, or name=value; a name is {LABEL_MEANS}", LABEL_FILTER)
PORT_NUMBER = whole(1, 65535)
# A pattern, as generators of clients lose the type of a string with one of two formats.
_V4, _V6 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[^%]+)?"
_ADDRESS = {"type": "string", "pattern": f"^(?:{_V4}|{_V6})$"}
IP = Rule("an IP address", _to_ip, _ADDRESS, obvious=True)
FILLED = Rule("a string", _to_filled, {**_TEXT.schema, "pattern": _FILLED}, obvious=True)
PATTERN = Rule(
    "a string", _to_pattern, {**_TEXT.schema, "maxLength": LONGEST, "description": "an RE2 expression"}
)
ENVIRONMENT = Rule(
    "an object",
    _to_environment,
    {
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{_NAME.pattern})$"},
        "additionalProperties": {"type": "string", "pattern": _NO_NUL},
    },
    obvious=True,
)

EGG_ID = matching(
    "1 to 63 small letters, digits, '_', '.' or '-', beginning with a letter or digit",
    limits.ID.pattern,
)
EGG_VERSION = matching("16 hexadecimal digits in lower case", limits.VERSION.pattern)
VARIABLES = Rule(
    "an object",
    _to_variables,
    {
        "type": "object",
        "maxProperties": MOST_VARIABLES,
        "propertyNames": {"minLength": 1, "maxLength": LONGEST_VARIABLE, "pattern": "^[^=\\u0000]*$"},
        "additionalProperties": {"type": "string", "maxLength": LONGEST_VALUE, "pattern": _NO_NUL},
    },
    obvious=True,
)

EggId = Annotated[str, EGG_ID, Described("the id of the egg in the store", example="minecraft-paper")]
EggVersion = Annotated[
    str, EGG_VERSION, Described("the stored version of the egg", example="3f2a9c01b7de4a60")
]
Variables = Annotated[
    Any, VARIABLES, Described("the values of the egg's variables", example={"SERVER_NAME": "Survival"})
]
InternalId = Annotated[
    str, INTERNAL_ID, Described("the container's id, chosen by the client", example="server-001")
]
VolumeId = Annotated[
    str, VOLUME_ID, Described("the volume's id", example="a3f1c2d4-0000-4000-8000-5e6f708192a3")
]
PortNumber = Annotated[int, PORT_NUMBER, Described("the port of the host", unit="number", example=25565)]
Protocol = Annotated[str, PROTOCOL, Described("the transport protocol", example="tcp")]
Ip = Annotated[str, IP, Described("the IP address of the host that the port belongs to", example="127.0.0.1")]
Text = Annotated[str, _TEXT]
Filled = Annotated[str, FILLED]
AnyText = Annotated[str, Rule("a string", rules.text, {"type": "string"}, obvious=True)]
Flag = Annotated[bool, FLAG]
Image = Annotated[
    str,
    matching(image_names.MEANS, image_names.PATTERN),
    Described("the image of the container", example="ghcr.io/parkervcp/yolks:java_21"),
]
Pull = Annotated[
    str,
    one_of("missing", "always", "never"),
    Described("when the image is pulled before a container is created from it", example="missing"),
]
Pattern = Annotated[str, PATTERN]
Script = Annotated[
    str,
    _text(_LONGEST_SCRIPT),
    Described(
        "a script that is run in the volume before the first start; `#!` names its interpreter",
        example="#!/bin/sh\necho eula=true > eula.txt\n",
    ),
]
StartTexts = Annotated[
    Any,
    Rule("a list", _to_start_texts, {"type": "array", "maxItems": MOST_TEXTS, "items": _START_TEXT.schema}),
    Described(
        "texts that say that the server has started when a line of its console contains one of them",
        example=[")! For help, type"],
    ),
]
Denylist = Annotated[
    Any,
    Rule(
        "a list", _to_denylist, {"type": "array", "maxItems": denying.MOST_PATTERNS, "items": _DENIED.schema}
    ),
    Described("files in the volume that the file routes refuse (gitignore patterns)", example=["*.jar"]),
]
VariableName = Annotated[
    str,
    matching("the name of a variable of at most 255 characters", r"[A-Za-z_][A-Za-z0-9_]{0,254}"),
    Described(
        "the variable of the environment that has the container's port as its value", example="QUERY_PORT"
    ),
]
InstallerEntrypoint = Annotated[
    str,
    matching(
        "the name or the path of a program, of at most 255 characters",
        r"[A-Za-z0-9_./][A-Za-z0-9_./+-]{0,254}",
    ),
    Described("the program that runs the script", example="bash"),
]
InstallerScript = Annotated[
    str,
    _text(_LONGEST_SCRIPT),
    Described(
        "the script, at `/mnt/install/install.sh`; the volume is at `/mnt/server`",
        example="#!/bin/bash\necho eula=true > /mnt/server/eula.txt\n",
    ),
]
Environment = Annotated[
    Any, ENVIRONMENT, Described("the environment variables of its processes", example={"MODE": "easy"})
]
User = Annotated[str, matching("a numeric uid or uid:gid", r"[0-9]{1,9}(?::[0-9]{1,9})?")]
Labels = Annotated[
    Any,
    Rule(
        "an object",
        _to_labels,
        {
            "type": "object",
            "maxProperties": MOST_LABELS,
            "propertyNames": {"pattern": f"^(?:{LABEL_NAME})$"},
            "additionalProperties": {
                "type": "string",
                "maxLength": LONGEST_LABEL,
                "pattern": f"^[^{_CONTROL}]*$",
            },
        },
        obvious=True,
    ),
    Described("names and values of the client's own, to find containers by", example={"customer": "42"}),
]
DisplayName = Annotated[
    str,
    Rule(
        "a string",
        _to_display_name,
        {"type": "string", "maxLength": LONGEST_NAME, "pattern": f"^[^{_CONTROL}]*$"},
        obvious=True,
    ),
]
Mounts = Annotated[Any, Rule("an object", mount_rules.to_mounts, mount_rules.SCHEMA)]


@attrs.frozen
class PortBody:
    """A port of the pool."""

    ip: Ip
    port: PortNumber
    protocol: Protocol = "tcp"


@attrs.frozen
class PortUseBody:
    """Whether a port is marked as in use."""

    in_use: Annotated[Flag, Described("true: no container can lease it", example=True)]


@attrs.frozen
class PortRangeBody:
    """Several ports: a range or a list."""

    ip: Ip | None = None
    first: PortNumber | None = attrs.field(default=None, metadata={KEY: "from"})
    last: PortNumber | None = attrs.field(default=None, metadata={KEY: "to"})
    protocol: Protocol | None = None
    ports: tuple[PortBody, ...] | None = None


@attrs.frozen
class PortListBody:
    """Ports to remove from the pool; default protocol: that of the only such entry, otherwise tcp."""

    @attrs.frozen
    class Item:
        """One of them."""

        ip: Ip
        port: PortNumber
        protocol: Protocol | None = None

    ports: Annotated[tuple[Item, ...], Described("the ports to remove")]
