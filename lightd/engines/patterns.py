"""Start patterns: regular expressions that take linear time for any pattern and any text.

RE2 matches in time linear in the text and rejects what it cannot match so (backreferences, look-around); its
memory is limited by ``MEMORY``. One search processes any number of lines: ``^`` and ``$`` match the ends of a
line, and no match spans two lines.

Linear can still be slow: if its automaton does not fit in the memory, RE2 needs up to 10 nanoseconds per
byte and instruction of the pattern. So a long pattern, or one that has been slow once, searches long texts
in a thread, one such search at a time for all patterns; RE2 releases the interpreter lock meanwhile.
"""

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from actors.container.console.lines import to_plain
from actors.container.console.screen import draw
from actors.kernel.steps import run

if TYPE_CHECKING:
    import re2

LONGEST = 1000
MEMORY = 4 * 1024 * 1024
INSTRUCTIONS = 5000
"""The maximum for a new pattern, compiled; the longest that a person has written had some hundred."""
ROUGH = 120 * 1024
"""The memory in which a pattern of that size compiles. RE2 counts the instructions before it optimizes them,
which takes time that grows with the square of their number: 40 s for ``x{0,1000}`` a hundred times."""
MOST_CLASSES = 50
r"""Classes of Unicode (``\p{L}``) in a new pattern; reading one takes a tenth of a millisecond."""
QUICK = 0.001
"""Seconds that a search on the event loop can take."""
SLOWEST = 1e-8
"""Seconds per byte and instruction in the worst case, as measured."""
USUAL = 150
"""A pattern up to this size counts as fast until a search was slow: once it can take 50 ms, for 32 KiB."""
TOLD = 8 * 1024
"""Bytes after which the speed of a pattern is known: the time to build its automaton no longer matters."""
CALL = 0.00002
"""Seconds of a search that are not counted: the overhead of the call."""

# Expressions that match beyond a line: \A, \z, (?-m), and \C, a single byte, which is replaced by a character
# that does not end a line. Quoted text and classes are left unchanged.
_TOKENS = re.compile(
    r"\\Q(?s:.*?)(?:\\E|\Z)|\\[AzC]|\\(?s:.)"
    r"|\[\^?\]?(?:\[:\^?\w++:\]|\\(?s:.)|[^\]\\])*+(?:\]|\\?\Z)"
    r"|\(\?[imsU]*+-[imsU]++[:)]"
)


_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What is not literal in an expression."""


class BadPattern(ValueError):  # noqa: N818 - names the fault of the pattern's author
    """The pattern is not a regular expression that can be matched in linear time."""


_searching: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("searching")


@attrs.define(eq=False)
class Pattern:
    """Whether a line of a text (valid UTF-8) contains a match.

    ``seconds`` is the CPU time that its searches have taken.
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
        """The number of compiled instructions; the time of a search is at most proportional to it."""
        return int(self._compiled.programsize)

    def is_quick(self, size: int) -> bool:
        """Whether a search in a text of ``size`` bytes is fast enough for the event loop."""
        if size * self.instructions * SLOWEST <= QUICK:
            return True
        return self.instructions <= USUAL and size * self._slowest <= QUICK

    async def search(self, text: bytes) -> bool:
        """Return the result of a call, which is made in a thread."""
        try:
            limiter = _searching.get()
        except LookupError:
            limiter = trio.CapacityLimiter(1)
            _searching.set(limiter)
        return await trio.to_thread.run_sync(self, text, limiter=limiter, abandon_on_cancel=True)


def check_pattern(pattern: str) -> None:
    """Raise ``BadPattern`` if ``pattern`` is invalid or exceeds the limits for new patterns."""
    if pattern.count(r"\p") + pattern.count(r"\P") > MOST_CLASSES:
        raise BadPattern(f"is too complex: it must not have more than {MOST_CLASSES} classes of Unicode")
    _compile(_short(pattern), _options(ROUGH))
    if compile_pattern(pattern).instructions > INSTRUCTIONS:
        raise BadPattern(f"is too complex: it must not need more than {INSTRUCTIONS} instructions")


def compile_pattern(pattern: str | None, texts: Sequence[str] = ()) -> Pattern:
    """Compile what matches ``pattern`` or contains one of ``texts``, in one search; raises ``BadPattern``.

    The syntax is that of https://github.com/google/re2/wiki/Syntax.
    """
    if pattern is not None:
        _compile(_short(pattern), _options(MEMORY))
    # The ends of a line need no more memory than those of a text, but classes without the newline may.
    return Pattern(_compile(to_lines(pattern, texts), _options(2 * MEMORY, never_nl=True)))


def check_texts(texts: Sequence[str]) -> None:
    """Raise ``BadPattern`` if the start texts, as they are shown on a console, are empty or too complex."""
    if any(not _to_seen(text).strip() for text in texts):
        raise BadPattern("must not have a text without visible characters")
    if compile_pattern(None, texts).instructions > INSTRUCTIONS:
        raise BadPattern(f"are too complex: they must not need more than {INSTRUCTIONS} instructions")


def _to_seen(text: str) -> str:
    """Return the text as it is searched on a console, without colours and cursor moves."""
    return to_plain(run(draw(text, LONGEST)).encode()).decode()


def _short(pattern: str) -> str:
    if len(pattern) > LONGEST:
        raise BadPattern(f"must not be longer than {LONGEST} characters")
    return pattern


def _compile(pattern: str, options: Any) -> Any:  # noqa: ANN401 - RE2 has no types
    import re2  # noqa: PLC0415 - 3 MiB, which a node without patterns does not need

    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = _reason(error)
    except UnicodeEncodeError:
        reason = "must be valid Unicode (contains half a surrogate pair)"
    if reason.startswith("pattern too large"):
        reason = f"is too complex: it must not need more than {INSTRUCTIONS} instructions"
    raise BadPattern(reason)


def to_lines(pattern: str | None, texts: Sequence[str] = ()) -> str:
    """The pattern that matches in joined lines what ``pattern`` or one of ``texts`` matches in a single line.

    The pattern is the last alternative: its flags, or quoted text without an end, extend to the end.
    """
    parts = [_SPECIAL.sub(r"\\\g<0>", _to_seen(text)) for text in texts]
    return "(?m)" + "|".join(parts if pattern is None else [*parts, _TOKENS.sub(_to_token, pattern)])


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


def _options(memory: int, *, never_nl: bool = False) -> "re2.Options":
    import re2  # noqa: PLC0415 - as above

    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_nl = never_nl
    return options


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "it cannot be read"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
