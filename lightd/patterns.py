"""Start patterns: regular expressions that can't run away, whoever wrote the pattern and the text.

RE2 matches in time linear in the text and refuses what it can't (backreferences, look-around); its memory is
bounded by ``MEMORY``.
"""

from collections.abc import Callable

import re2

LONGEST = 1000
MEMORY = 4 * 1024 * 1024


class BadPattern(ValueError):  # noqa: N818 - names the fault of whoever wrote it
    """The pattern is no regular expression that can be matched in linear time."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a line holds a match; raises ``BadPattern``.

    The syntax is that of https://github.com/google/re2/wiki/Syntax.
    """
    if len(pattern) > LONGEST:
        raise BadPattern(f"must not be longer than {LONGEST} characters")
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise BadPattern(_reason(error)) from None
    except UnicodeEncodeError:
        raise BadPattern("must be text: half a surrogate pair is none") from None

    def matches(line: str) -> bool:
        return compiled.search(line) is not None

    return matches


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "it can't be read"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
