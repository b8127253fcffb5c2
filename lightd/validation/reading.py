"""Reads a JSON object as an attrs class, each field by the rule in its annotation, and notes every mistake.

An annotation is ``Annotated[type, rule]``, another such class, a ``tuple`` of one of them, or any of these
``| None``, which accepts null.
"""

import functools
from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from lightd.validation.rules import Invalid, Rule, shown, shown_key

T = TypeVar("T")

Mistakes = dict[str, str]
"""What is wrong, by the path of the field, such as ``ports[0].ip``."""

KEY = "key"
"""The metadata of a field that has another name in JSON, such as a word of Python."""
LONGEST_LIST = 10_000
LONGEST_MISTAKE = 300  # characters: it may quote the value
MOST_MISTAKES = 1000
"""A list is read no further after so many."""
MOST_UNKNOWN = 100
"""Unknown keys of one object that are reported."""

_Reader = Callable[[object, str, Mistakes], Any]


@attrs.frozen
class FieldRule:
    """A field of a class: its name in Python and in JSON, its annotation and its default."""

    name: str
    key: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether the JSON object must have it."""
        return self.default is attrs.NOTHING


def fields_of(cls: type[Any]) -> Iterator[FieldRule]:
    """Yield the fields of ``cls``, in order."""
    annotations = get_type_hints(cls, include_extras=True)
    for field in attrs.fields(cls):
        key = field.metadata.get(KEY, field.name)
        yield FieldRule(field.name, key, annotations[field.name], field.default)


def read(cls: type[T], value: object, mistakes: Mistakes, path: str = "") -> T:
    """Return ``value`` as an instance of ``cls``, and add its mistakes.

    With mistakes the result is incomplete: a wrong field has its default, or None if it has none. Therefore
    contradictions between fields can be reported along with the other mistakes.
    """
    reader = _to_object_reader(cls)  # type: ignore[arg-type]  # every class is hashable
    result: T = reader(value, path, mistakes)
    return result


def rule_of(annotation: Any) -> Rule | None:  # noqa: ANN401 - an annotation can be anything
    """Return the rule in an annotation, if it has one."""
    return next((each for each in metadata_of(annotation) if isinstance(each, Rule)), None)


def metadata_of(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    """Return what an annotation says beside its type."""
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def plain(annotation: Any) -> Any:  # noqa: ANN401 - as above
    """Return the annotation without its metadata."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def optional(annotation: Any) -> Any:  # noqa: ANN401 - as above
    """Return ``X`` for ``X | None``, None for any other annotation."""
    if get_origin(annotation) not in (Union, UnionType):
        return None
    return next(each for each in get_args(annotation) if each is not NoneType)


def _to_reader(annotation: Any) -> _Reader:  # noqa: ANN401 - as above
    if (rule := rule_of(annotation)) is not None:
        return _to_rule_reader(rule)
    annotation = plain(annotation)
    if (some := optional(annotation)) is not None:
        read_some = _to_reader(some)
        return lambda value, path, mistakes: None if value is None else read_some(value, path, mistakes)
    if get_origin(annotation) is tuple:
        return _to_list_reader(get_args(annotation)[0])
    if attrs.has(annotation):
        return _to_object_reader(annotation)
    raise TypeError(f"{annotation!r} has no rule")


def _to_rule_reader(rule: Rule) -> _Reader:
    def read_value(value: object, path: str, mistakes: Mistakes) -> Any:  # noqa: ANN401 - of the rule's type
        try:
            return rule.read(value)
        except Invalid as error:
            message = str(error)
            short = message if len(message) <= LONGEST_MISTAKE else f"{message[:LONGEST_MISTAKE]}..."
            mistakes[path] = short
            return None

    return read_value


def _to_list_reader(annotation: Any) -> _Reader:  # noqa: ANN401 - as above
    rule, read_item = rule_of(annotation), _to_reader(annotation)
    alone = None if rule is None else rule.alone
    means = "a list" if alone is None else f'a list, or "{alone}"'

    def read_list(value: object, path: str, mistakes: Mistakes) -> tuple[Any, ...]:
        if alone is not None and value == alone:
            value = [alone]
        if not isinstance(value, list):
            mistakes[path] = f"must be {means} (got {shown(value)})"
            return ()
        if len(value) > LONGEST_LIST:
            mistakes[path] = f"must not have more than {LONGEST_LIST} entries (got {len(value)})"
            return ()
        items = []
        for index, item in enumerate(value):
            items.append(read_item(item, f"{path}[{index}]", mistakes))
            if len(mistakes) >= MOST_MISTAKES:
                break
        return tuple(items)

    return read_list


@functools.cache
def _to_object_reader(cls: type[Any]) -> _Reader:
    fields = [
        (each, _to_reader(each.annotation), attrs.has(plain(each.annotation))) for each in fields_of(cls)
    ]
    keys = {field.key for field, _, _ in fields}
    known = ", ".join(field.key for field, _, _ in fields)

    def read_object(value: object, path: str, mistakes: Mistakes) -> Any:  # noqa: ANN401 - a cls
        if not isinstance(value, dict):
            mistakes[path or "(the whole file)"] = f"must be an object (got {shown(value)})"
            return read_object({}, path, {})
        prefix = f"{path}." if path else ""
        unknown = 0
        for key in value:
            if key not in keys:
                mistakes[prefix + shown_key(key)] = f"unknown field (known here: {known})"
                unknown += 1
                if unknown >= MOST_UNKNOWN:
                    break
        given: dict[str, Any] = {}
        for field, read_field, nested in fields:
            at, before = prefix + field.key, len(mistakes)
            if field.key in value:
                found = read_field(value[field.key], at, mistakes)
            elif not field.required:
                continue
            elif nested:
                found = read_field({}, at, mistakes)
            else:
                mistakes[at] = "is missing"
                found = None
            if len(mistakes) == before or nested or field.required:
                given[field.name] = found
        return cls(**given)

    return read_object
