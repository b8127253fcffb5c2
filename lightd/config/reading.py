"""How a section of the configuration is read: each key by the rule in its annotation, every mistake noted."""

from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from lightd.config import rules

S = TypeVar("S", bound=attrs.AttrsInstance)


def read_section(cls: type[S], value: object, path: str, mistakes: dict[str, str]) -> S:
    """An instance of ``cls``, in which a wrong key has its default, or None if it has no default.

    Therefore contradictions between sections can be reported along with the other mistakes.
    """
    if not isinstance(value, dict):
        mistakes[path or "(the whole file)"] = f"must be an object (got {rules.shown(value)})"
        return read_section(cls, {}, path, {})
    annotations = get_type_hints(cls, include_extras=True)
    defaults = {field.name: field.default for field in attrs.fields(cls)}
    for key in value:
        if key not in defaults:
            known = ", ".join(defaults)
            mistakes[_join(path, rules.shown_key(key))] = f"unknown key (known here: {known})"
    given: dict[str, Any] = {}
    for name, default in defaults.items():
        at, annotation, before = _join(path, name), annotations[name], len(mistakes)
        if name in value:
            read = _read(annotation, value[name], at, mistakes)
        elif default is not attrs.NOTHING:
            continue
        elif attrs.has(annotation):
            read = read_section(annotation, {}, at, mistakes)
        else:
            mistakes[at] = "is missing"
            read = None
        if len(mistakes) == before or attrs.has(annotation) or default is attrs.NOTHING:
            given[name] = read
    return cls(**given)


def _read(annotation: Any, value: object, path: str, mistakes: dict[str, str]) -> Any:  # noqa: ANN401 - a key's value
    """The value of one key; if it is wrong, adds a mistake and returns a meaningless value."""
    if attrs.has(annotation):
        return read_section(annotation, value, path, mistakes)
    if get_origin(annotation) is tuple:
        of = get_args(annotation)[0]
        alone = of.__metadata__[0].alone
        if alone is not None and value == alone:
            value = [alone]
        if not isinstance(value, list):
            choice = "a list" if alone is None else f'a list, or "{alone}"'
            mistakes[path] = f"must be {choice} (got {rules.shown(value)})"
            return ()
        return tuple(_read(of, item, f"{path}[{index}]", mistakes) for index, item in enumerate(value))
    rule: rules.Rule = annotation.__metadata__[0]
    try:
        return rule.read(value)
    except ValueError:
        seen = "" if rule.secret else f" (got {rules.shown(value)})"
        mistakes[path] = f"must be {rule.means}{seen}"
        return None


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
