"""Start patterns: regular expressions that can't run away, whoever wrote the pattern and the text.

RE2 matches in time linear in the text and refuses what it can't (backreferences, look-around); its memory is
bounded by ``MEMORY``. One search goes through any number of lines: ``^`` and ``$`` stand for the ends of a
line, and no match goes beyond one.
"""

import re
from collections.abc import Callable

import re2

LONGEST = 1000
MEMORY = 4 * 1024 * 1024

# What would see beyond a line: \A, \z, (?-m), and \C, a single byte, which is made a character that ends no
# line. Quoted text and classes are passed over as they are.
_TOKENS = re.compile(
    r"\\Q(?s:.*?)(?:\\E|\Z)|\\[AzC]|\\(?s:.)|\[\^?\]?(?:\[:\^?\w+:\]|\\(?s:.)|[^\]\\])*\]|\(\?[imsU]*-[imsU]+[:)]"
)


class BadPattern(ValueError):  # noqa: N818 - names the fault of whoever wrote it
    """The pattern is no regular expression that can be matched in linear time."""


def compile_pattern(pattern: str) -> Callable[[bytes], bool]:
    """Return a function that tells whether one of the lines of a text holds a match; raises ``BadPattern``.

    The syntax is that of https://github.com/google/re2/wiki/Syntax. The text is valid UTF-8.
    """
    if len(pattern) > LONGEST:
        raise BadPattern(f"must not be longer than {LONGEST} characters")
    try:
        re2.compile(pattern, _options(MEMORY))
        # A line's ends take no more memory than a text's, but classes without the newline may.
        compiled = re2.compile(to_lines(pattern).encode(), _options(2 * MEMORY, never_nl=True))
    except re2.error as error:
        raise BadPattern(_reason(error)) from None
    except UnicodeEncodeError:
        raise BadPattern("must be valid Unicode (contains half a surrogate pair)") from None

    def matches(text: bytes) -> bool:
        return compiled.search(text) is not None

    return matches


def to_lines(pattern: str) -> str:
    """Return the pattern that finds in joined lines what ``pattern`` finds in one of them."""
    return "(?m)" + _TOKENS.sub(_to_token, pattern)


def _to_token(token: "re.Match[str]") -> str:
    found = token[0]
    if found == r"\A":
        return "(?m:^)"
    if found == r"\z":
        return "(?m:$)"
    if found == r"\C":
        return r"[^\n]"
    if found.startswith("(?"):
        on, _, off = found[2:-1].partition("-")
        left = off.replace("m", "")
        return f"(?{on}m{'-' * bool(left)}{left}{found[-1]}"
    return found


def _options(memory: int, *, never_nl: bool = False) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_nl = never_nl
    return options


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "it can't be read"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
