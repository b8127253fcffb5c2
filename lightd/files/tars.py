"""Reading a stranger's tar as a stream, where tarfile believes whatever a header says of its size.

- Past the stream's end tarfile reads on, for as many blocks as an entry claims: up to 2^62 bytes. Here that
  is the end of an archive that is cut off.
- Holes of a sparse file are read from it like data, as many as its map claims. Here the data is read, and
  the map is the entry's ``layout``.
- What belongs to one entry's headers (PAX records, GNU long names, sparse maps, any number in a row) is read
  whole and taken apart by regular expressions. Here it has ``HEADERS`` bytes.
"""

from collections.abc import Callable
from tarfile import BLOCKSIZE, RECORDSIZE, TarFile, TarInfo
from typing import IO, Any, Final, Self, cast

import attrs

from lightd.files import errors
from lightd.files.holes import UNKNOWN, Layout

HEADERS: Final = 64 << 10
"""Bytes for the headers of one entry: a path has 4 KiB at most, and a map of thousands of holes fits."""

ENDS: Final = 8  # reads past the end of an archive that is whole: two at most


@attrs.define(eq=False)
class Source:
    """The stream as tarfile reads it; ``told`` hears how many bytes each piece has."""

    _stream: IO[bytes]
    _told: Callable[[int], None]
    _ends: int = 0
    headers: int | None = None  # bytes that are left for headers, while those are read

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._told(len(piece))
        if not piece:
            self._ends += 1
            if self._ends > ENDS:
                raise errors.InvalidArchive("The archive ends before an entry of it does")
        if self.headers is not None:
            self.headers -= len(piece)
            if self.headers < 0:
                raise errors.InvalidArchive(
                    f"The archive has an entry with more than {HEADERS} bytes of headers"
                )
        return piece


class Member(TarInfo):
    """An entry whose headers are bounded; the file has ``layout``, and ``size`` is what the tar has of it."""

    layout: Layout = UNKNOWN

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> Self:
        """Read the headers of the next entry; tarfile calls it again for each that another comes before."""
        source: Source = cast(Any, tarfile.fileobj).fileobj  # its own stream, on ours
        if source.headers is not None:
            return super().fromtarfile(tarfile)
        source.headers = HEADERS + RECORDSIZE  # so much is read ahead
        try:
            member = super().fromtarfile(tarfile)
        finally:
            source.headers = None
        if member.isreg() and member.sparse is not None:
            member.take_map(tarfile)
        return member

    def take_map(self, tarfile: TarFile) -> None:
        """Make an entry without a map of a sparse one, in any of GNU tar's formats.

        Those mark a file's end, or nothing at all, by extents of no bytes.
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


def open_tar(stream: IO[bytes], told: Callable[[int], None]) -> TarFile:
    """The tar in ``stream``, to be read once from its beginning."""
    source = cast(IO[bytes], Source(stream, told))  # it is read, and nothing else
    return TarFile.open(fileobj=source, mode="r|", tarinfo=Member)
