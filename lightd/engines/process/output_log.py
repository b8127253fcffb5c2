"""What a program printed, on disk: written by its supervisor, with the time behind each line.

``text NUL seconds LF``: so an unfinished line is there as far as it goes, and one replacement dates
a piece of output. Two files take turns, so that they stay small.
"""

import os
import time
from contextlib import suppress
from typing import Final

BOUND: Final = 2 * 1024 * 1024  # bytes of one file, and one piece of output


class OutputLog:
    """Lines, each with the time of its end behind it: ``text NUL seconds LF``, in two files in turn."""

    def __init__(self, path: str) -> None:
        self._path, self._last, self._torn = path, 0.0, False
        self._open()
        self._inside = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"
        self.finish()  # what a supervisor that was killed left open

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, data: bytes) -> None:
        self._last = max(self._last, time.time())
        text = b"\n" * self._torn + data.replace(b"\n", b"\0%.9f\n" % self._last)
        try:
            if self._size > BOUND:
                self._take_turn()
            self._torn = os.write(self._file, text) != len(text)
        except OSError:  # a full disk costs lines, not the program
            self._torn = True
        self._size += len(text)
        self._inside = not data.endswith(b"\n")

    def _take_turn(self) -> None:
        """Go on in a new file; where none can be made, in this one, which has its turn next time."""
        before = self._file
        with suppress(OSError):
            with suppress(FileNotFoundError):  # it has been moved already
                os.replace(self._path, f"{self._path}.1")
            self._open()
            os.close(before)

    def finish(self) -> None:
        """End an unfinished line: nothing will be added to it."""
        if self._inside:
            self.write(b"\n")
