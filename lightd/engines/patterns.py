"""Start patterns: regular expressions that take linear time for any pattern and any text.

RE2 matches in time linear in the text and refuses what it can't (backreferences, look-around); its memory is
bounded by ``MEMORY``. One search goes through any number of lines: ``^`` and ``$`` stand for the ends of a
line, and no match goes beyond one.

Linear may still be slow: where its automaton has no room RE2 needs up to 10 nanoseconds a byte for each
instruction of the pattern. So a pattern that is long, or has been slow once, searches what isn't short in a
thread, one such search at a time for all; RE2 lets others run meanwhile.
"""

import re
import time
from typing import Any, Final

import attrs
import re2
import trio

LONGEST = 1000
MEMORY = 4 * 1024 * 1024
INSTRUCTIONS = 5000
"""Of a new pattern, compiled; the longest that a person wrote has some hundred."""
QUICK = 0.001
"""Seconds that a search on the loop may take."""
SLOWEST = 1e-8
"""Seconds a byte and instruction at the worst, as measured."""
USUAL = 150
"""Instructions of a pattern that is taken for quick until it wasn't: once it may take 50 ms, for 32 KiB."""
TOLD = 8 * 1024
"""Bytes after which it is known how quick a pattern was: beside them its automaton is built in no time."""
CALL = 0.00002
"""Seconds of a search that don't count: those of the call."""

# What would see beyond a line: \A, \z, (?-m), and \C, a single byte, which is made a character that ends no
# line. Quoted text and classes are passed over as they are.
_TOKENS = re.compile(
    r"\\Q(?s:.*?)(?:\\E|\Z)|\\[AzC]|\\(?s:.)"
    r"|\[\^?\]?(?:\[:\^?\w++:\]|\\(?s:.)|[^\]\\])*+(?:\]|\\?\Z)"
    r"|\(\?[imsU]*+-[imsU]++[:)]"
)


class BadPattern(ValueError):  # noqa: N818 - names the fault of the pattern's author
    """The pattern is no regular expression that can be matched in linear time."""


_searching: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("searching")


@attrs.define(eq=False)
class Pattern:
    """Tells whether one of the lines of a text, which is valid UTF-8, holds a match.

    ``seconds`` is the time of the processor that its searches have taken.
    """

    _compiled: Any
    seconds: float = 0.0
    _slowest: float = 0.0
    _counted: float = 0.0
    _size: int = 0

    def __call__(self, text: bytes) -> bool:
        began = time.thread_time()
        found = self._compiled.search(text) is not None
        took = time.thread_time() - began
        self.seconds += took
        self._counted += max(0.0, took - CALL)
        self._size += len(text)
        if self._size >= TOLD:
            self._slowest = max(self._slowest, self._counted / self._size)
            self._counted, self._size = 0.0, 0
        return found

    @property
    def instructions(self) -> int:
        """What it is compiled to; the time that a search may take is in proportion to it."""
        return int(self._compiled.programsize)

    def is_quick(self, size: int) -> bool:
        """Return true where a search in so many bytes takes no time that anybody would notice."""
        if size * self.instructions * SLOWEST <= QUICK:
            return True
        return self.instructions <= USUAL and size * self._slowest <= QUICK

    async def search(self, text: bytes) -> bool:
        """Return the same as a call does, which is made in a thread."""
        try:
            limiter = _searching.get()
        except LookupError:
            limiter = trio.CapacityLimiter(1)
            _searching.set(limiter)
        return await trio.to_thread.run_sync(self, text, limiter=limiter, abandon_on_cancel=True)


def check_pattern(pattern: str) -> None:
    """Raise ``BadPattern`` where ``pattern`` can't be one, or needs more than a new one may."""
    if compile_pattern(pattern).instructions > INSTRUCTIONS:
        raise BadPattern(f"is too complex: it must not need more than {INSTRUCTIONS} instructions")


def compile_pattern(pattern: str) -> Pattern:
    """Return what finds ``pattern``; raises ``BadPattern``.

    The syntax is that of https://github.com/google/re2/wiki/Syntax.
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
    return Pattern(compiled)


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
