"""Packs files of a volume into an archive, which replaces its target like any other file.

Names in it are paths in the volume, so unpacking it at the root restores everything. Symbolic links are
packed as links. Special files, temporary files of uploads, files with a name outside of the volume, and the
archive itself are left out. A file that becomes shorter while it is read is filled up with zeros. Tars
contain sparse files without their holes, in GNU tar's format "PAX 1.0".
"""

import errno
import io
import os
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import attrs

from lightd.files import errors
from lightd.files.archives import Kind
from lightd.files.charging import PIECE, Charge
from lightd.files.compression import open_tar_stream
from lightd.files.deleting import Pace
from lightd.files.holes import Layout, layout_of
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, open_contents
from lightd.files.measuring import Links
from lightd.files.paths import RelativePath, to_shown
from lightd.files.placing import is_part_name, replacing
from lightd.files.resolve import LOOK
from lightd.files.walking import names_in

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

DEPTH = 128
_ZEROS = memoryview(bytes(PIECE))


class _Writer(Protocol):
    def add_folder(self, name: str, state: os.stat_result) -> None: ...
    def add_link(self, name: str, state: os.stat_result, target: str) -> None: ...
    def add_file(self, name: str, state: os.stat_result, contents: "_Contents") -> None: ...


def compress(
    jail: Jail,
    sources: Sequence[RelativePath],
    output: RelativePath,
    kind: Kind,
    owner: Owner | None,
    pace: Pace,
) -> int:
    """Pack ``sources`` into ``output``, which is replaced if it exists; return the size in bytes.

    ``pace`` is called for every name and every piece; if it raises, ``output`` is not changed.
    """
    with explained(output), replacing(jail, output, owner) as part:
        with io.BufferedWriter(_Output(os.dup(part), jail.charge), PIECE) as file:
            if kind == "zip":
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                    _Packing(jail, _ZipWriter(archive), pace, output).add(sources)
            else:
                with (
                    open_tar_stream(file, kind, "wb") as stream,
                    tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
                ):
                    _Packing(jail, _TarWriter(tar), pace, output).add(sources)
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
    links: Links = attrs.field(init=False)

    def add(self, sources: Sequence[RelativePath]) -> None:
        self.links = Links(self.jail)
        for path in sources:
            with explained(path):
                if not path.parts:
                    self._add_names(self.jail.root, path, 0)
                    continue
                with (
                    held(self.jail.find_folder(path.parent)) as folder,
                    held(os.open(path.name, LOOK, dir_fd=folder)) as found,
                ):
                    self._add(found, path, 0)

    def _add(self, found: int, path: RelativePath, depth: int) -> None:
        self.pace(0)
        state = os.fstat(found)
        name = "/".join(path.parts)
        if stat.S_ISDIR(state.st_mode):
            if depth > DEPTH:
                raise errors.TooDeep(f"The tree has more than {DEPTH} levels")
            self.writer.add_folder(name, state)
            self._add_names(found, path, depth)
        elif stat.S_ISLNK(state.st_mode):
            self.writer.add_link(name, state, os.readlink("", dir_fd=found))
        elif stat.S_ISREG(state.st_mode) and path != self.output and not self.links.lead_out(state):
            with held(open_contents(found, path)) as contents:
                self.writer.add_file(name, state, _Contents(contents, self.pace))

    def _add_names(self, found: int, path: RelativePath, depth: int) -> None:
        with held(os.open(".", FOLDER, dir_fd=found)) as folder:
            for below in names_in(folder):
                if is_part_name(below):
                    continue
                try:
                    there = os.open(below, LOOK, dir_fd=folder)
                except FileNotFoundError:
                    continue
                with held(there):
                    self._add(there, path.child(below), depth + 1)


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

    def add_folder(self, name: str, state: os.stat_result) -> None:
        self.tar.addfile(_tar_info(name, state, tarfile.DIRTYPE))

    def add_link(self, name: str, state: os.stat_result, target: str) -> None:
        info = _tar_info(name, state, tarfile.SYMTYPE)
        info.linkname = target
        self.tar.addfile(info)

    def add_file(self, name: str, state: os.stat_result, contents: _Contents) -> None:
        layout = layout_of(contents.file, state, contents.pace)
        if layout is None:
            info = _tar_info(name, state, tarfile.REGTYPE)
            info.size = state.st_size
            pieces = contents.pieces(0, info.size)
        else:
            self.sparse += 1
            info = _tar_info(f"GNUSparseFile.0/{self.sparse}", state, tarfile.REGTYPE)
            info.pax_headers = {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": name,
                "GNU.sparse.realsize": str(layout.size),
            }
            table = _to_map(layout)
            info.size = len(table) + layout.stored
            pieces = chain([memoryview(table)], *(contents.pieces(*extent) for extent in layout.extents))
        self.tar.addfile(info, io.BufferedReader(_Pieces(pieces), PIECE))


def _to_map(layout: Layout) -> bytes:
    """The map that precedes the data; the last extent is empty, at the end of the file."""
    extents = [(start, end - start) for start, end in layout.extents] + [(layout.size, 0)]
    numbers = [len(extents), *chain.from_iterable(extents)]
    table = "".join(f"{number}\n" for number in numbers).encode()
    return table + bytes(-len(table) % tarfile.BLOCKSIZE)


def _tar_info(name: str, state: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, stat.S_IMODE(state.st_mode) & 0o777, int(state.st_mtime)
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

    def add_folder(self, name: str, state: os.stat_result) -> None:
        self.archive.writestr(_zip_info(f"{name}/", state), b"")

    def add_link(self, name: str, state: os.stat_result, target: str) -> None:
        self.archive.writestr(_zip_info(name, state), os.fsencode(target))

    def add_file(self, name: str, state: os.stat_result, contents: _Contents) -> None:
        info = _zip_info(name, state)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.file_size = state.st_size
        with self.archive.open(info, "w") as entry:
            for piece in contents.pieces(0, state.st_size):
                entry.write(piece)


def _zip_info(name: str, state: os.stat_result) -> zipfile.ZipInfo:
    moment = time.localtime(
        min(max(state.st_mtime, 315_619_200), 4_354_732_800)
    )  # a zip's years: 1980 to 2107
    info = zipfile.ZipInfo(to_shown(name), moment[:6])
    info.create_system = 3  # Unix: the mode is in the upper half of external_attr
    info.external_attr = (stat.S_IFMT(state.st_mode) | stat.S_IMODE(state.st_mode) & 0o777) << 16
    if stat.S_ISDIR(state.st_mode):
        info.external_attr |= 0x10
    return info
