"""Reading a stranger's tar as a stream, where tarfile believes whatever a header says of its size.

- Past the stream's end tarfile reads on, for as many blocks as an entry claims: up to 2^62 bytes. Here that
  is the end of an archive that is cut off.
- What belongs to one entry's headers (PAX records, GNU long names, sparse maps, any number in a row) is read
  whole and taken apart by regular expressions. Here it has ``HEADERS`` bytes.
"""

from collections.abc import Callable
from tarfile import RECORDSIZE, TarFile, TarInfo
from typing import IO, Any, Final, Self, cast

import attrs

from lightd.files import errors

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
    """An entry whose headers are bounded."""

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> Self:
        """Read the headers of the next entry; tarfile calls it again for each that another comes before."""
        source: Source = cast(Any, tarfile.fileobj).fileobj  # its own stream, on ours
        if source.headers is not None:
            return super().fromtarfile(tarfile)
        source.headers = HEADERS + RECORDSIZE  # so much is read ahead
        try:
            return super().fromtarfile(tarfile)
        finally:
            source.headers = None


def open_tar(stream: IO[bytes], told: Callable[[int], None]) -> TarFile:
    """The tar in ``stream``, to be read once from its beginning."""
    source = cast(IO[bytes], Source(stream, told))  # it is read, and nothing else
    return TarFile.open(fileobj=source, mode="r|", tarinfo=Member)
