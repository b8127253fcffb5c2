"""A program's output on disk, written by its supervisor, with the time after each line.

The format is ``text NUL seconds LF``: an unfinished line is stored as far as it goes, and one replacement
adds the time to all lines of a piece of output. Two files are used in turn, which limits their size.
"""

import os
import time
from contextlib import suppress
from typing import Final

BOUND: Final = 2 * 1024 * 1024  # bytes of one file, and of one piece of output


class OutputLog:
    """Lines in the format ``text NUL seconds LF``, in two files that are rotated."""

    def __init__(self, path: str) -> None:
        self._path, self._last, self._torn = path, 0.0, False
        self._open()
        self._inside = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"
        self.finish()  # ends the line that a killed supervisor left unfinished

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
        except OSError:  # a full disk loses lines, but does not stop the program
            self._torn = True
        self._size += len(text)
        self._inside = not data.endswith(b"\n")

    def _take_turn(self) -> None:
        """Continue in a new file. If it cannot be created, continue in this one and try again later."""
        before = self._file
        with suppress(OSError):
            with suppress(FileNotFoundError):  # the file has been moved already
                os.replace(self._path, f"{self._path}.1")
            self._open()
            os.close(before)

    def finish(self) -> None:
        """End an unfinished line: nothing will be added to it."""
        if self._inside:
            self.write(b"\n")
