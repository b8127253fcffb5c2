"""Packs files of a volume into an archive, which replaces its target like any other file.

Names in it are paths in the volume, so unpacking it at the root restores everything. Symbolic links are
packed as links. Special files, temporary files of uploads, files with a name outside of the volume, and the
archive itself are left out. A file that becomes shorter while it is read is filled up with zeros. Tars
contain sparse files without their holes, in GNU tar's format "PAX 1.0".

Everything that was packed can be unpacked: names as bytes, contents, permissions, links and times are the
same (``archives.MARK``). A tree for which that is not possible raises an error that names the file.

An archive of the whole volume never replaces a file, and leaves earlier ones out; otherwise each would
contain all those before it.
"""

import errno
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, cast

import attrs

from lightd.files import archives, errors, zips
from lightd.files.archives import Kind
from lightd.files.charging import PIECE, Charge
from lightd.files.compression import Compression, open_stream
from lightd.files.deleting import Pace
from lightd.files.formats import is_of_volume
from lightd.files.holes import Layout, layout_of
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, open_contents
from lightd.files.measuring import Links
from lightd.files.paths import LONGEST_PATH, RelativePath
from lightd.files.placing import is_part_name, replacing
from lightd.files.resolve import LOOK
from lightd.files.walking import names_in

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

SHOWN: Final = 200  # characters of a path in a message
DEPTH: Final = 128
"""Levels below a source: two descriptors are open for each."""

REMEMBERED: Final = 256 << 20
"""Bytes that unpacking has to remember of all entries: it needs less memory than ``archiver.MEMORY``."""

_ZEROS = memoryview(bytes(PIECE))


class _Writer(Protocol):
    def add_folder(self, path: RelativePath, state: os.stat_result) -> None: ...
    def add_link(self, path: RelativePath, state: os.stat_result, target: str) -> None: ...
    def add_file(self, path: RelativePath, state: os.stat_result, contents: "_Contents") -> None: ...
    def weight(self, path: RelativePath, mode: int) -> int: ...


def compress(
    jail: Jail,
    sources: Sequence[RelativePath],
    output: RelativePath,
    kind: Kind,
    owner: Owner | None,
    pace: Pace,
    *,
    whole: bool = False,
) -> int:
    """Pack ``sources`` into ``output``; return the size in bytes.

    An existing ``output`` is replaced; for the ``whole`` volume, it raises ``Exists``. ``pace`` is called for
    every name and every piece; if it raises, ``output`` is not changed. Raises ``TooDeep`` for more than 128
    levels below a source, 256 in the volume, or a path of more than 4095 bytes, and ``InvalidArchive`` for
    more entries than can be unpacked.
    """
    mark = archives.MARK_OF_VOLUME if whole else archives.MARK
    with explained(output), replacing(jail, output, owner, new=whole) as part:
        with io.BufferedWriter(_Output(os.dup(part), jail.charge), PIECE) as file:
            if kind == "zip":
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                    archive.comment = mark.encode()
                    _Packing(jail, _ZipWriter(archive), pace, output, whole).add(sources)
            else:
                compression = cast(Compression, kind.removeprefix("tar").removeprefix("."))
                with (
                    open_stream(file, compression, "wb") as stream,
                    tarfile.open(
                        fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, pax_headers={"comment": mark}
                    ) as tar,
                ):
                    _Packing(jail, _TarWriter(tar), pace, output, whole).add(sources)
        return os.fstat(part).st_size


class _Output(io.FileIO):
    """The archive that is being written: every write is charged first."""

    def __init__(self, descriptor: int, charge: Charge) -> None:
        super().__init__(descriptor, "wb")
        self._charge = charge

    def write(self, piece: "ReadableBuffer") -> int:
        self._charge(memoryview(piece).nbytes, 0)
        return super().write(piece)


@attrs.define(eq=False)
class _Packing:
    jail: Jail
    writer: _Writer
    pace: Pace
    output: RelativePath
    whole: bool
    links: Links = attrs.field(init=False)
    remembered: int = 0

    def add(self, sources: Sequence[RelativePath]) -> None:
        self.links = Links(self.jail)
        for path in sources:
            with explained(path):
                if not path.parts:
                    self._add_names(self.jail.root, path, 0)
                    continue
                if any(map(is_part_name, path.parts)):
                    raise errors.NotAllowed(f'"{path}" is a temporary file')
                with (
                    held(self.jail.find_folder(path.parent)) as folder,
                    held(os.open(path.name, LOOK, dir_fd=folder)) as found,
                ):
                    self._add(found, path, 0)

    def _add(self, found: int, path: RelativePath, depth: int) -> None:
        self.pace(0)
        with explained(path):
            self.jail.check(found, path)
        state = os.fstat(found)
        if stat.S_ISDIR(state.st_mode):
            self._check(path, depth, state)
            self.writer.add_folder(path, state)
            self._add_names(found, path, depth)
        elif stat.S_ISLNK(state.st_mode):
            self._check(path, depth, state)
            self.writer.add_link(path, state, os.readlink("", dir_fd=found))
        elif stat.S_ISREG(state.st_mode) and path != self.output and not self.links.lead_out(state):
            with explained(path):
                opened = open_contents(found, path)
            with held(opened) as contents:
                if self.whole and is_of_volume(contents):
                    return
                self._check(path, depth, state)
                self.writer.add_file(path, state, _Contents(contents, self.pace))

    def _check(self, path: RelativePath, depth: int, state: os.stat_result) -> None:
        """Refuse an entry that could not be unpacked."""
        if depth > DEPTH:
            raise errors.TooDeep(f"The tree has more than {DEPTH} levels: {_shorten(path)}")
        if len(path.parts) > archives.DEPTH:
            raise errors.TooDeep(f"The volume has more than {archives.DEPTH} levels: {_shorten(path)}")
        if len(os.fsencode("/".join(path.parts))) > LONGEST_PATH:
            raise errors.TooDeep(f"A path has more than {LONGEST_PATH} bytes: {_shorten(path)}")
        self.remembered += self.writer.weight(path, state.st_mode)
        if self.remembered > REMEMBERED:
            raise errors.InvalidArchive(
                f"There are too many files for one archive, up to {_shorten(path)}: pack parts of them"
            )

    def _add_names(self, found: int, path: RelativePath, depth: int) -> None:
        with explained(path):
            opened = os.open(".", FOLDER, dir_fd=found)
        with held(opened) as folder:
            for below in names_in(folder):
                if is_part_name(below):
                    continue
                try:
                    there = os.open(below, LOOK, dir_fd=folder)
                except FileNotFoundError:
                    continue
                with held(there):
                    self._add(there, path.child(below), depth + 1)


def _shorten(path: RelativePath) -> str:
    text = str(path)
    return f'"{text}"' if len(text) <= SHOWN else f'"{text[:SHOWN]}…"'


@attrs.frozen
class _Contents:
    file: int
    pace: Pace

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """The contents from ``start`` to ``end``, in pieces."""
        at = data = start  # from ``at`` to ``data`` there is a hole, which is not read
        while at < end:
            if at >= data:
                data = _next_data(self.file, at, end)
            wanted = min(PIECE, end - at)
            self.pace(wanted)
            if data - at >= wanted:
                piece = _ZEROS[:wanted]
            else:
                piece = memoryview(os.pread(self.file, wanted, at) or _ZEROS[:wanted])
            at += len(piece)
            yield piece


def _next_data(contents: int, at: int, size: int) -> int:
    """The offset of the next data that is not in a hole (lseek(2), ``SEEK_DATA``)."""
    try:
        return os.lseek(contents, at, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else at


@attrs.define(eq=False)
class _TarWriter:
    tar: tarfile.TarFile
    sparse: int = 0  # the number of sparse files

    def weight(self, path: RelativePath, mode: int) -> int:
        """What unpacking remembers: folders, until their contents are there, and links."""
        return 0 if stat.S_ISREG(mode) else _weight(path, 2)

    def add_folder(self, path: RelativePath, state: os.stat_result) -> None:
        self.tar.addfile(_tar_info(path, state, tarfile.DIRTYPE))

    def add_link(self, path: RelativePath, state: os.stat_result, target: str) -> None:
        info = _tar_info(path, state, tarfile.SYMTYPE)
        info.linkname = target
        self.tar.addfile(info)

    def add_file(self, path: RelativePath, state: os.stat_result, contents: _Contents) -> None:
        layout = layout_of(contents.file, state, contents.pace)
        info = _tar_info(path, state, tarfile.REGTYPE)
        if layout is None:
            info.size = state.st_size
            pieces = contents.pieces(0, info.size)
        else:
            self.sparse += 1
            info.pax_headers = {
                **info.pax_headers,
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": info.name,
                "GNU.sparse.realsize": str(layout.size),
            }
            info.name = f"GNUSparseFile.0/{self.sparse}"
            table = _to_map(layout)
            info.size = len(table) + layout.stored
            pieces = chain([memoryview(table)], *(contents.pieces(*extent) for extent in layout.extents))
        self.tar.addfile(info, io.BufferedReader(_Pieces(pieces), PIECE))
        self.tar.members = []  # type: ignore[attr-defined]  # it would remember them all


def _weight(path: RelativePath, times: int) -> int:
    """Bytes of memory for an entry whose path is held so many times, and about 600 bytes more."""
    return 600 + times * (60 + 4 * sum(map(len, path.parts)))


def _to_map(layout: Layout) -> bytes:
    """The map that precedes the data; the last extent is empty, at the end of the file."""
    extents = [(start, end - start) for start, end in layout.extents] + [(layout.size, 0)]
    numbers = [len(extents), *chain.from_iterable(extents)]
    table = "".join(f"{number}\n" for number in numbers).encode()
    return table + bytes(-len(table) % tarfile.BLOCKSIZE)


def _tar_info(path: RelativePath, state: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("/".join(path.parts))
    info.type, info.mode = kind, stat.S_IMODE(state.st_mode) & 0o777
    info.mtime, rest = divmod(state.st_mtime_ns, 10**9)
    if rest or info.mtime < 0:
        sign, whole = ("-", -state.st_mtime_ns) if state.st_mtime_ns < 0 else ("", state.st_mtime_ns)
        info.pax_headers = {"mtime": f"{sign}{whole // 10**9}.{whole % 10**9:09}"}
    info.uid, info.gid = state.st_uid, state.st_gid
    return info


class _Pieces(io.RawIOBase):
    """Pieces as a file object, for tarfile."""

    def __init__(self, pieces: Iterable[memoryview]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._rest:
            self._rest = next(self._pieces, memoryview(b""))
        into = memoryview(buffer)
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@attrs.frozen(eq=False)
class _ZipWriter:
    archive: zipfile.ZipFile

    def weight(self, path: RelativePath, mode: int) -> int:
        """What unpacking remembers: the whole directory of the zip, and the same as for a tar."""
        return _weight(path, 3 if stat.S_ISREG(mode) else 5)

    def add_folder(self, path: RelativePath, state: os.stat_result) -> None:
        self.archive.writestr(zips.make_info(path, state), b"")

    def add_link(self, path: RelativePath, state: os.stat_result, target: str) -> None:
        self.archive.writestr(zips.make_info(path, state), os.fsencode(target))

    def add_file(self, path: RelativePath, state: os.stat_result, contents: _Contents) -> None:
        info = zips.make_info(path, state)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.file_size = state.st_size
        with self.archive.open(info, "w") as entry:
            for piece in contents.pieces(0, state.st_size):
                entry.write(piece)
