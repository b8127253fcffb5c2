"""The files of a volume that its clients may not touch: the deny lists of its containers.

A list consists of patterns as in gitignore(5); the last one that matches a path decides. A folder that a
pattern matches stands for everything below it, and ``!pattern`` allows a part of that again. A file is denied
if one of the volume's lists denies it. Case is significant, and two spellings of a letter in Unicode are two
names, as they are for Linux.

Patterns are translated by pathspec and matched by RE2, in time that grows only with the path. A newline in a
name, and bytes that are not UTF-8, are private characters while a name is matched, so that ``*`` has them.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from lightd.files import errors
from lightd.files.paths import RelativePath

MOST_PATTERNS: Final = 100
LONGEST_PATTERN: Final = 255
"""Patterns in the list of a container, and characters of each."""

_ODD: Final = re.compile("[\n\udc80-\udcff]")
_ESCAPE: Final = 0xF000
_LISTS_REMEMBERED: Final = 256

_ANY_FOLDER: Final = "(?P<ps_d>/)"
"""What pathspec makes of ``*/``: the slash behind a folder, the only group of its expressions."""


@attrs.frozen
class _Rule:
    """A pattern that can be matched; one that does not ``deny`` allows again."""

    expression: Any  # re2 has no public name for it
    denies: bool


@attrs.frozen
class DenyList:
    """The lists of all containers that use a volume. It is false if they deny nothing.

    Patterns that cannot be read deny nothing: ``check_pattern`` refuses them before.
    """

    lists: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, lists: Iterable[tuple[str, ...]]) -> "DenyList":
        """The union of the lists."""
        return cls(frozenset(filter(None, lists)))

    def __bool__(self) -> bool:
        return bool(self.lists)

    def denies(self, parts: Sequence[str], *, folder: bool) -> bool:
        """Whether the file or ``folder`` at this path of the volume is denied; the root never is."""
        if not parts or not self.lists:
            return False
        path = _ODD.sub(_escape, "/".join(parts)) + "/" * folder
        return any(_denies(_read(patterns), path) for patterns in self.lists)

    def check(self, parts: Sequence[str], *, folder: bool) -> None:
        """Raise ``Denied`` if the path is denied."""
        if self.denies(parts, folder=folder):
            raise errors.Denied(f'"{RelativePath(tuple(parts))}" is on the deny list of the server')


NOTHING_DENIED: Final = DenyList()


def check_pattern(pattern: str) -> None:
    """Raise ``ValueError``, with a text that says why, for a pattern that cannot be matched."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"has more than {LONGEST_PATTERN} characters")
    _to_rule(pattern)


def _escape(found: "re.Match[str]") -> str:
    return chr(_ESCAPE + (ord(found[0]) & 0xFF))


def _denies(rules: Sequence[_Rule], path: str) -> bool:
    """Whether the path is denied: by the last match, where one of the path itself precedes one of a folder.

    It is the rule of ``pathspec.GitIgnoreSpec``; a folder that ends the path is the path itself.
    """
    denied, precedence = False, 0
    for rule in rules:
        found = rule.expression.search(path)
        if found is None:
            continue
        at = found.start(1) if rule.expression.groups else -1  # the slash behind a folder that matches
        mine = 1 if 0 <= at < len(path) - 1 else 2
        if mine >= precedence or (rule.denies and mine == 1):
            denied, precedence = rule.denies, mine
    return denied


@functools.lru_cache(_LISTS_REMEMBERED)
def _read(patterns: tuple[str, ...]) -> tuple[_Rule, ...]:
    rules = []
    for pattern in patterns[:MOST_PATTERNS]:
        try:
            rules.append(_to_rule(pattern[:LONGEST_PATTERN]))
        except ValueError:
            continue
    return tuple(rule for rule in rules if rule is not None)


def _to_rule(pattern: str) -> _Rule | None:
    """Return None for a comment or an empty line. Raises ``ValueError``."""
    import re2  # noqa: PLC0415 - a daemon without deny lists does not load it
    from pathspec.patterns.gitignore.base import GitIgnorePatternError  # noqa: PLC0415 - as above
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415 - as above

    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        text, denies = GitIgnoreSpecPattern.pattern_to_regex(_ODD.sub(_escape, pattern))
        if text is None and (not pattern.strip() or pattern.startswith("#")):
            return None
        if text is None:
            raise ValueError("matches nothing")
        return _Rule(re2.compile(f"^.*{text}" if text == _ANY_FOLDER else text, options), bool(denies))
    except (GitIgnorePatternError, re2.error):
        raise ValueError("is not a pattern of gitignore") from None
