"""Reads a file for a client: it is opened once, so that it stays the same file if it is replaced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.jail import Jail, explained, held, open_contents
from lightd.files.measuring import check_alone
from lightd.files.paths import RelativePath

PIECE: Final = 512 << 10


@attrs.frozen
class Download:
    """An open file, as it was when it was opened. ``etag`` changes with the contents; it has its quotes.

    ``descriptor`` can be passed to sendfile(2); reading never moves its position.
    """

    descriptor: int
    path: RelativePath
    size: int
    modified_at: int
    etag: str

    def read(self, offset: int, size: int = PIECE) -> bytes:
        """At most ``size`` bytes from ``offset`` on. Raises ``NotAllowed`` if the file became shorter."""
        wanted = min(size, self.size - offset)
        with explained(self.path):
            piece = os.pread(self.descriptor, wanted, offset)
        if not piece and wanted > 0:
            raise errors.NotAllowed(f'"{self.path}" became shorter while it was read')
        return piece

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``, 512 KiB at a time."""
        stop = self.size if end is None else min(end, self.size)
        while start < stop:
            piece = self.read(start, min(PIECE, stop - start))
            start += len(piece)
            yield piece


@contextmanager
def open_download(jail: Jail, path: RelativePath) -> Iterator[Download]:
    """Open the regular file ``path``, following links inside. Raises ``WrongKind`` and ``NotFound``."""
    with explained(path), held(jail.find(path)) as found:
        contents = open_contents(found, path)
    with jail.open_files.held(contents):
        state = os.fstat(contents)
        with explained(path):
            check_alone(jail, state, path)
        yield Download(contents, path, state.st_size, int(state.st_mtime), to_etag(state))


def to_etag(state: os.stat_result) -> str:
    """The strong ETag of a file with ``state``, with its quotes."""
    return f'"{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}-{state.st_ctime_ns:x}"'
