"""Reads an untrusted tar as a stream, with limits that tarfile does not have.

- tarfile reads beyond the end of the stream, for as many blocks as an entry claims: up to 2^62 bytes. Here,
  that is the end of a truncated archive.
- tarfile returns the holes of a sparse file like data, as many as its map claims. Here, only the data is
  read, and the map is the entry's ``layout``.
- tarfile reads all headers of an entry (PAX records, GNU long names, sparse maps, any number of them) as a
  whole and parses them with regular expressions. Here, they are limited to ``HEADERS`` bytes.
"""

import re
from collections.abc import Callable
from tarfile import BLOCKSIZE, RECORDSIZE, TarFile, TarInfo
from typing import IO, Any, Final, Self, cast

import attrs

from lightd.files import errors
from lightd.files.holes import UNKNOWN, Layout

HEADERS: Final = 64 << 10
"""The maximum size of the headers of one entry: enough for a path and a map of thousands of holes."""

_TIME: Final = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{0,99}))?")

ENDS: Final = 8  # reads past the end of a complete archive: at most two


@attrs.define(eq=False)
class Source:
    """The stream as tarfile reads it; ``progress`` is called with the size of each piece."""

    _stream: IO[bytes]
    _progress: Callable[[int], None]
    _ends: int = 0
    headers: int | None = None  # bytes that are left for headers, while those are read

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._progress(len(piece))
        if not piece:
            self._ends += 1
            if self._ends > ENDS:
                raise errors.InvalidArchive("The archive is truncated: upload it again")
        if self.headers is not None:
            self.headers -= len(piece)
            if self.headers < 0:
                raise errors.InvalidArchive(
                    f"The archive has an entry with more than {HEADERS} bytes of headers"
                )
        return piece


class Member(TarInfo):
    """An entry with limited headers; the file has ``layout``, and ``size`` is its size in the tar."""

    layout: Layout = UNKNOWN

    @property
    def modified_at(self) -> int | None:
        """The time of the last modification in nanoseconds, None if it is no valid time."""
        found = _TIME.fullmatch(str(self.pax_headers.get("mtime", "")))
        if found is None:
            return int(self.mtime) * 10**9 if abs(self.mtime) < 1 << 40 else None
        sign, seconds, rest = found.groups(default="")
        return int(sign + "1") * (int(seconds) * 10**9 + int(rest[:9].ljust(9, "0")))

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> Self:
        """Read the headers of the next entry; tarfile calls it again for each additional header."""
        source: Source = cast(Any, tarfile.fileobj).fileobj  # its own stream, on ours
        if source.headers is not None:
            return super().fromtarfile(tarfile)
        source.headers = HEADERS + RECORDSIZE  # the amount that is read ahead
        try:
            member = super().fromtarfile(tarfile)
        finally:
            source.headers = None
        if member.isreg() and member.sparse is not None:
            member.take_map(tarfile)
        return member

    def take_map(self, tarfile: TarFile) -> None:
        """Turn a sparse entry, in any of GNU tar's formats, into one without a map.

        Extents of no bytes mark a file's end, or have no meaning.
        """
        records = self.pax_headers
        size = int(records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size") or self.size)
        extents = [(at, at + count) for at, count in cast(Any, self.sparse) if count]
        self.layout = Layout(size, tuple(extents))
        if not self.layout.holds_together:
            raise errors.InvalidArchive(f'The map of the sparse file "{self.name}" contradicts itself')
        self.sparse, self.size = None, self.layout.stored
        self.name = records.get("GNU.sparse.name", self.name)  # a long path in format 0.1 is a made-up one
        tarfile.offset = self.offset_data + self.size + -self.size % BLOCKSIZE


def open_tar(stream: IO[bytes], progress: Callable[[int], None]) -> TarFile:
    """The tar in ``stream``, to be read once from its beginning."""
    source = cast(IO[bytes], Source(stream, progress))  # it is read, and nothing else
    return TarFile.open(fileobj=source, mode="r|", tarinfo=Member)
