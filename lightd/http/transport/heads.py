"""How heads are cut out of what a client sends: where everybody would cut them, and in linear time."""

from __future__ import annotations

import re

import h11
from h11._receivebuffer import ReceiveBuffer

_BLANK_LINE = re.compile(rb"\n\r?\n")
CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\r\n"))
"""What no head may hold (RFC 9110, 5.5). Behind many blanks a NUL takes h11's search quadratic time."""
LINES_BESIDE = 2
"""Lines of a head that are no fields: the request's own, and the empty one."""


class StrictBuffer(ReceiveBuffer):
    """What came, of which a head is cut only where everybody would cut it.

    h11 takes a line feed alone for the end of a line, and a line that begins with a blank for more of the one
    before, as RFC 9112 (2.2, 5.2) lets it. Where a proxy in front reads it otherwise, a client decides what
    the next request is. What h11 would take long for is refused before it looks: too many fields, one by one,
    and characters that no field may hold.
    """

    def __init__(self, fields: int) -> None:
        super().__init__()
        self._fields = fields

    def maybe_extract_next_line(self) -> bytearray | None:
        """The head of a chunk, without its extensions, which h11 passes over in quadratic time."""
        line = super().maybe_extract_next_line()
        if line is None or b";" not in line:
            return line
        if line.count(b"\n") > 1 or line.count(b"\r") > 1:
            raise h11.LocalProtocolError("the head of a chunk has no clear end")
        return bytearray(line.partition(b";")[0].rstrip(b" \t") + b"\r\n")

    def maybe_extract_lines(self) -> list[bytearray] | None:
        if self._data[:2] == b"\r\n":
            self._extract(2)
            return []
        end = _BLANK_LINE.search(self._data, self._multiple_lines_search)
        if end is None:
            self._multiple_lines_search = max(0, len(self._data) - 2)
            return None
        head = self._extract(end.end())
        ends = head.count(b"\r\n")
        if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\n " in head or b"\n\t" in head:
            raise h11.LocalProtocolError("a line of the head has no clear end")
        if len(head.translate(None, CONTROLS)) < len(head):
            raise h11.LocalProtocolError("the head has a control character")
        if ends > self._fields + LINES_BESIDE:
            raise h11.LocalProtocolError("the head has too many fields", error_status_hint=431)
        return head[: -len(b"\r\n\r\n")].split(b"\r\n")


class H11Connection(h11.Connection):
    """An h11 connection that leaves it to us when the client is told to go on."""

    def __init__(self, max_incomplete_event_size: int, fields: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=max_incomplete_event_size)
        self._receive_buffer = StrictBuffer(fields)

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        return False
