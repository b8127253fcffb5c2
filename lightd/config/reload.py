"""Which changes of the configuration a running daemon applies, and which ones need a restart.

1. The file is accepted as a whole or not at all, as at the start: with one mistake, nothing changes.
2. A key that is not marked ``LIVE`` in its section keeps its running value, and is reported until the
   daemon is restarted.
3. Code that needs a setting reads it from ``System.config`` each time; code that must react to a change waits
   for ``System.reloaded``.
"""

from collections.abc import Iterator
from typing import Any, Final

import attrs

from lightd.config.rules import User, Users, is_loopback
from lightd.config.sections import LIVE, Configuration
from lightd.validation.reading import fields_of, metadata_of, plain, rule_of


def _to_live_keys(section: type[Any], prefix: str = "") -> Iterator[str]:
    for field in fields_of(section):
        if attrs.has(plain(field.annotation)) and rule_of(field.annotation) is None:
            yield from _to_live_keys(field.annotation, f"{prefix}{field.key}.")
        elif LIVE in metadata_of(field.annotation):
            yield prefix + field.key


LIVE_KEYS: Final = frozenset(_to_live_keys(Configuration))
"""The keys that a running daemon applies. All others need a restart."""

Keys = tuple[str, ...]


@attrs.frozen
class Reloaded:
    """The outcome of a reload: the configuration in use, and the keys whose values differed in the file."""

    running: Configuration
    applied: Keys
    restart_required: Keys


def merge(running: Configuration, file: Configuration) -> Reloaded:
    """Return ``running`` with every value of ``file`` that can be applied without a restart. Pure."""
    before, after = _to_keys(running), _to_keys(file)
    differing = [key for key in after if before[key] != after[key]]
    applied = [key for key in differing if _can_change(key, running, file)]
    merged = running
    for key in applied:
        merged = _with(merged, key, after[key])
    return Reloaded(merged, tuple(applied), tuple(key for key in differing if key not in applied))


def _can_change(key: str, running: Configuration, file: Configuration) -> bool:
    if key == "authorization.enabled" and not file.authorization.enabled:
        return is_loopback(running.server.host)  # server.host needs a restart: the running value counts
    if key.startswith("server.tls.") and None in (running.server.tls.cert, file.server.tls.cert):
        return False  # http or https is chosen when the server starts
    return key in LIVE_KEYS


def _to_keys(section: attrs.AttrsInstance) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in attrs.asdict(section, recurse=False).items():
        if attrs.has(type(value)) and not isinstance(value, User | Users):
            found.update({f"{name}.{key}": held for key, held in _to_keys(value).items()})
        else:
            found[name] = value
    return found


def _with(section: Any, key: str, value: object) -> Any:  # noqa: ANN401 - a section of any class
    name, _, rest = key.partition(".")
    return attrs.evolve(section, **{name: _with(getattr(section, name), rest, value) if rest else value})
