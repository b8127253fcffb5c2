"""Values of a query or a path, read as strictly as a body."""

import re
from collections.abc import Container
from typing import Any

from quart import request
from werkzeug.datastructures import MultiDict

from lightd.api import bodies
from lightd.api.errors import bad_request
from lightd.files.paths import RelativePath, parse_path
from lightd.validation import rules

_WHOLE = re.compile(r"[0-9]{1,18}")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,20})?")
LONGEST_WAIT = 300.0
_WAIT = rules.number(0, LONGEST_WAIT)


def path() -> RelativePath:
    """Return the query's path, which can't be the volume itself; raises a 400."""
    text = request.args.get("path")
    if text is None:
        raise bad_request("path: is missing")
    return parse_path(text)


def check_names(
    args: MultiDict[str, str], known: Container[str], repeatable: Container[str] = frozenset()
) -> None:
    """Raise a 400 if ``args`` have a name that isn't ``known``, or one twice that isn't ``repeatable``."""
    for name in args:
        if name not in known:
            raise bad_request(f"{name[:80]}: unknown query parameter")
        if name not in repeatable and len(args.getlist(name)) > 1:
            raise bad_request(f"{name}: is given twice")


def optional_whole(args: MultiDict[str, str], name: str) -> int | None:
    """Return a whole number of ``args``, None if it is missing; raises a 400."""
    text = args.get(name)
    if text is not None and not _WHOLE.fullmatch(text):
        raise bad_request(f"{name}: must be a whole number")
    return None if text is None else int(text)


def whole(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number of the query, ``default`` if it is missing; raises a 400."""
    text = request.args.get(name)
    if text is None:
        return default
    return int(by_rule(name, rules.whole(low, high), _to_whole(text)))


def seconds(name: str) -> float | None:
    """Return the query's seconds, at most ``LONGEST_WAIT``; None if they are missing. Raises a 400."""
    text = request.args.get(name)
    if text is None:
        return None
    return float(by_rule(name, _WAIT, float(text) if _SECONDS.fullmatch(text) else text))


def protocol() -> str | None:
    """Return the query's protocol, None if it is missing; raises a 400."""
    text = request.args.get("protocol")
    return None if text is None else str(by_rule("protocol", bodies.PROTOCOL, text))


def by_rule(name: str, rule: rules.Rule, value: object) -> Any:  # noqa: ANN401 - of the rule's type
    """Return ``value`` as ``rule`` reads it; raises a 400 with its name."""
    try:
        return rule.read(value)
    except rules.Invalid as error:
        code = "invalid_id" if name.endswith("_id") else "invalid_request"
        raise bad_request(f"{name}: {error}", code) from None


def internal_id(value: str) -> str:
    """Return a container's id from the path; raises a 400 if it is malformed."""
    return str(by_rule("internal_id", bodies.INTERNAL_ID, value))


def volume_id(value: str) -> str:
    """Return a volume's id from the path; raises a 400 if it is malformed."""
    return str(by_rule("volume_id", bodies.VOLUME_ID, value))


def port(value: str) -> int:
    """Return a port number from the path; raises a 400 if it is malformed."""
    return int(by_rule("port", bodies.PORT_NUMBER, _to_whole(value)))


def _to_whole(text: str) -> int | str:
    """Return ``text`` as a whole number; if it isn't one, ``text``, which no rule for numbers accepts."""
    return int(text) if _WHOLE.fullmatch(text) else text
