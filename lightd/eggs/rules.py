"""The rules of an egg's variables: Laravel's validation rules, as the panels of eggs apply them.

What a rule means is defined by https://laravel.com/docs/8.x/validation#available-validation-rules, and in
detail by PHP: two numeric texts are equal if their numbers are, and ``integer`` is ``FILTER_VALIDATE_INT``.
Values are always text. An empty value satisfies all rules but ``required`` and ``accepted``.
"""

import csv
import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
import re2

PATTERNS: Final = ("regex", "not_regex")
LONGEST_PATTERN: Final = 1000
"""Characters of a regular expression. RE2 matches in linear time, but compiling a long one takes long."""

_NUMBER: Final = re2.compile(
    r"[ \t\n\r\v\f]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\v\f]*"
)
_INTEGER: Final = re2.compile(r"[ \t\n\r\v]*([+-]?(?:0|[1-9][0-9]*))[ \t\n\r\v]*")
_URL: Final = re2.compile(
    r"(?i)[a-z][a-z0-9+.-]*://(?:[^\s/?#@]*@)?"
    r"(?:[\pL\pN\pS_-](?:[\pL\pN\pS_.-]*[\pL\pN\pS_-])?\.?|\[[0-9a-f:.]+\])(?::[0-9]+)?"
    r"(?:/[^\s?#]*)?(?:\?[^\s#]*)?(?:#\S*)?"
)
_LONGEST_INTEGER: Final = 40  # characters, blanks included
_EMAIL: Final = re2.compile(r"[^@\s]+@[^@\s]+")
_FLAGS: Final = {"i": "i", "m": "m", "s": "s", "u": "", "D": "", "x": None}


@attrs.frozen
class Rule:
    """One rule, such as ``max:20``: its ``name`` in lower case, its ``text`` and its ``parameters``."""

    name: str
    text: str
    parameters: tuple[str, ...] = ()


@attrs.frozen
class _Case:
    value: str
    rules: Mapping[str, Rule]

    @property
    def size(self) -> float:
        """What ``min``, ``max``, ``size`` and ``between`` compare: the number, or the count of characters."""
        if "integer" in self.rules or "numeric" in self.rules:
            number = _to_number(self.value)
            if number is not None:
                return number
        return len(self.value)


def parse(rules: str | Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules of a list, or of one text with ``|`` between them. A pattern may contain ``|``."""
    parts = _split(rules) if isinstance(rules, str) else [str(rule) for rule in rules]
    return tuple(_to_rule(part) for part in parts if part.strip())


def to_unknown(rules: Sequence[Rule]) -> list[str]:
    """Return the texts of the rules that are not checked: unknown ones, and patterns that RE2 cannot read."""
    return [rule.text for rule in rules if not _is_known(rule)]


def find_violated(rules: Sequence[Rule], value: str) -> Rule | None:
    """Return the first rule that ``value`` violates, None if there is none. Unknown rules are not checked."""
    case = _Case(value, {rule.name: rule for rule in rules})
    empty = not value.strip(" \t\n\r\0\v")
    for rule in rules:
        if (empty and rule.name not in _IMPLICIT) or not _is_known(rule):
            continue
        if not _CHECKS[rule.name](case, rule.parameters):
            return rule
    return None


def to_sentence(rule: Rule) -> str:
    """Return what the rule demands, as the end of a sentence that begins with the variable's name."""
    name, given = rule.name, rule.parameters
    sentences = {
        "required": "must have a value",
        "accepted": "must be yes, on, 1 or true",
        "numeric": "must be a number",
        "integer": "must be a whole number",
        "boolean": "must be 0 or 1",
        "url": "must be a URL",
        "alpha": "must consist of letters",
        "alpha_num": "must consist of letters and digits",
        "alpha_dash": "must consist of letters, digits, - and _",
        "in": f"must be one of: {', '.join(given)}",
        "not_in": f"must not be one of: {', '.join(given)}",
    }
    return sentences.get(name, f"must satisfy the rule {rule.text}")


def _split(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split("|"):
        if parts and (pattern := _to_pattern_text(parts[-1])) is not None and not _is_delimited(pattern):
            parts[-1] += "|" + part
        else:
            parts.append(part)
    return parts


def _to_pattern_text(part: str) -> str | None:
    name, _, rest = part.partition(":")
    return rest if name.strip().lower() in PATTERNS else None


def _is_delimited(pattern: str) -> bool:
    """Whether a pattern has its closing delimiter, behind which are only flags."""
    return len(pattern) > 1 and _to_end(pattern) > 0


def _to_end(pattern: str) -> int:
    """The index of the closing delimiter; 0 or less if there is none."""
    closing = {"(": ")", "[": "]", "{": "}", "<": ">"}.get(pattern[0], pattern[0])
    end = pattern.rfind(closing)
    return end if all(flag in _FLAGS for flag in pattern[end + 1 :]) else -1


def _to_rule(text: str) -> Rule:
    name, colon, rest = text.partition(":")
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", name.strip()).lower()
    name = {"int": "integer", "bool": "boolean"}.get(name, name)
    if not colon:
        return Rule(name, text)
    if name in PATTERNS:
        return Rule(name, text, (rest,))
    return Rule(name, text, tuple(next(iter(csv.reader([rest], strict=False)), [""])))


def _is_known(rule: Rule) -> bool:
    if rule.name not in _CHECKS or len(rule.parameters) < _LEAST.get(rule.name, 0):
        return False
    if rule.name in PATTERNS:
        return compile_pattern(rule.parameters[0]) is not None
    if rule.name in _NUMERIC_PARAMETERS:
        return all(_to_number(each) is not None for each in rule.parameters)
    return True


@functools.lru_cache(maxsize=64)
def compile_pattern(text: str) -> "re2._Regexp[str] | None":
    """Return PHP's ``/pattern/flags`` as RE2 reads it; None for one that it cannot read."""
    if not 1 < len(text) <= LONGEST_PATTERN or not _is_delimited(text):
        return None
    end = _to_end(text)
    flags = [_FLAGS[flag] for flag in text[end + 1 :]]
    if None in flags:
        return None
    body = text[1:end].replace("\\" + text[0], text[0]) if text[0] not in r"\.+*?^$|" else text[1:end]
    prefix = "".join(flag for flag in flags if flag)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 18
    body = _let_dollar_see_a_newline(body) if "m" not in prefix and "D" not in text[end + 1 :] else body
    try:
        return re2.compile(f"(?{prefix}){body}" if prefix else body, options)
    except re2.error:
        return None


def _let_dollar_see_a_newline(body: str) -> str:
    r"""PHP's ``$`` matches before a newline at the end, too."""
    return body[:-1] + r"\n?$" if body.endswith("$") and not body.endswith(r"\$") else body


def _to_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _is_integer(text: str) -> bool:
    found = _INTEGER.fullmatch(text)
    return found is not None and len(text) < _LONGEST_INTEGER and -(2**63) <= int(found[1]) < 2**63


def _equals(one: str, other: str) -> bool:
    """Whether PHP's ``==`` holds for two texts."""
    numbers = _to_number(one), _to_number(other)
    return one == other or (None not in numbers and numbers[0] == numbers[1])


def _is_one_of(case: _Case, given: Sequence[str]) -> bool:
    return case.value in given or any(_equals(case.value, each) for each in given)


def _consists(*categories: str, also: str = "") -> Callable[[_Case, Sequence[str]], bool]:
    def check(case: _Case, _: Sequence[str]) -> bool:
        text = case.value.removesuffix("\n")
        return bool(text) and all(
            each in also or unicodedata.category(each)[0] in categories for each in text
        )

    return check


def _is_digits(text: str) -> bool:
    return all(each in "0123456789" for each in text)


def _matches(case: _Case, given: Sequence[str]) -> bool:
    pattern = compile_pattern(given[0])
    return pattern is not None and pattern.search(case.value) is not None


def _compares(holds: Callable[[float, float], bool]) -> Callable[[_Case, Sequence[str]], bool]:
    """``gt`` and its relatives, with a number: the value must be one."""

    def check(case: _Case, given: Sequence[str]) -> bool:
        return _to_number(case.value) is not None and holds(case.size, float(given[0]))

    return check


def _is_address(*versions: int) -> Callable[[_Case, Sequence[str]], bool]:
    def check(case: _Case, _: Sequence[str]) -> bool:
        try:
            return ipaddress.ip_address(case.value).version in versions
        except ValueError:
            return False

    return check


def _always(_case: _Case, _given: Sequence[str]) -> bool:
    return True


_IMPLICIT: Final = frozenset({"required", "accepted"})
_NUMERIC_PARAMETERS: Final = frozenset(
    {"max", "min", "size", "between", "digits", "digits_between", "gt", "gte", "lt", "lte"}
)
_LEAST: Final = {
    **dict.fromkeys(
        _NUMERIC_PARAMETERS | {"regex", "not_regex", "in", "not_in", "ends_with", "starts_with"}, 1
    ),
    "between": 2,
    "digits_between": 2,
}
_CHECKS: Final[Mapping[str, Callable[[_Case, Sequence[str]], bool]]] = {
    "required": lambda case, _: bool(case.value.strip(" \t\n\r\0\v")),
    "accepted": lambda case, _: case.value in ("yes", "on", "1", "true"),
    **dict.fromkeys(("nullable", "present", "string", "bail", "sometimes"), _always),
    "filled": _always,
    "numeric": lambda case, _: _to_number(case.value) is not None,
    "integer": lambda case, _: _is_integer(case.value),
    "boolean": lambda case, _: case.value in ("0", "1"),
    "in": _is_one_of,
    "not_in": lambda case, given: not _is_one_of(case, given),
    "max": lambda case, given: case.size <= float(given[0]),
    "min": lambda case, given: case.size >= float(given[0]),
    "size": lambda case, given: case.size == float(given[0]),
    "between": lambda case, given: float(given[0]) <= case.size <= float(given[1]),
    "gt": _compares(lambda size, bound: size > bound),
    "gte": _compares(lambda size, bound: size >= bound),
    "lt": _compares(lambda size, bound: size < bound),
    "lte": _compares(lambda size, bound: size <= bound),
    "digits": lambda case, given: _is_digits(case.value) and len(case.value) == float(given[0]),
    "digits_between": lambda case, given: (
        _is_digits(case.value) and float(given[0]) <= len(case.value) <= float(given[1])
    ),
    "alpha": _consists("L", "M"),
    "alpha_num": _consists("L", "M", "N"),
    "alpha_dash": _consists("L", "M", "N", also="-_"),
    "starts_with": lambda case, given: case.value.startswith(tuple(given)),
    "ends_with": lambda case, given: case.value.endswith(tuple(given)),
    "regex": _matches,
    "not_regex": lambda case, given: not _matches(case, given),
    "url": lambda case, _: _URL.fullmatch(case.value) is not None,
    "email": lambda case, _: _EMAIL.fullmatch(case.value) is not None,
    "ip": _is_address(4, 6),
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
}
