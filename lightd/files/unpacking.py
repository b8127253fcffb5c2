"""Unpacks an archive: into a staging folder at the volume's root, then moved to the destination.

An archive comes from a tenant and can be hostile. An absolute name, or one with ``..``, rejects the whole
archive, and so does a name that is a file in one place and a folder in another. Everything is created below
descriptors, in a new folder that belongs to the daemon and contains no link until the last file is written;
so nothing is written through a link.

- Files and folders get their permissions without set-id bits, their times, and the requested owner. Those of
  folders are set last, when everything has been moved, as far as the folders are still there.
- A symbolic link in an archive that lightd created is created with its text, as by a copy. In another archive
  its text must stay inside of what is unpacked, or in the folder where a server sees its volume; otherwise it
  is left out.
- A hard link must refer to an earlier file or link of the same archive.
- Devices and FIFOs are left out. Of two files with one name, the later one is kept.
- Blocks of zeros become holes, and so do the holes of sparse files in a tar. They count towards the bytes of
  ``Ceilings``, but not towards the ratio.
- More entries, bytes or levels, or a higher ratio, than ``Ceilings`` allows reject the archive. So does a
  tar whose stream exceeds them, even if nothing of it would be written. lightd's own archives have other
  ceilings (``archives.OWN``).
- A compressed file that contains no tar is unpacked as one file, with the archive's permissions and time.

Files are only moved to the destination when everything is staged and no entry would replace one of another
type. Until then, a failure leaves the destination as it was. Folders are merged, files replaced, and links
at the destination are never followed.
"""

import errno
import os
import re
import stat
import tarfile
import traceback
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO, cast

import attrs

from lightd.files import archives, errors, zips
from lightd.files.archives import CEILINGS, Ceilings
from lightd.files.charging import ENTRY, PIECE
from lightd.files.compression import DAMAGED, open_stream
from lightd.files.deleting import Pace, delete_at
from lightd.files.formats import find_format, to_single_name
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, make_folder_at, open_contents
from lightd.files.measuring import check_alone
from lightd.files.paths import RelativePath, parse_name
from lightd.files.placing import new_part_name
from lightd.files.staging import Staging, place
from lightd.files.tars import Member, open_tar
from lightd.files.walking import check_below

_CONTRADICTIONS = (  # errors of the system for a contradictory archive, for example with files below files
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EXDEV,
    None,  # gzip and bz2 raise an OSError without a number
)
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def extract(
    jail: Jail,
    archive: RelativePath,
    destination: RelativePath,
    owner: Owner | None,
    pace: Pace,
    ceilings: Ceilings | None = None,
) -> int:
    """Unpack ``archive`` to ``destination``, created if it is missing; return how many entries were left out.

    ``ceilings``, if given, hold for every archive; the default depends on whether lightd created it.

    Raises ``InvalidPath`` for a name that leads out, ``InvalidArchive`` if it cannot be read or exceeds a
    limit, and ``WrongKind`` if the destination contains something of another type. ``pace`` is called for
    every entry and every piece.
    """
    with explained(archive), held(jail.find(archive)) as found:
        contents = open_contents(found, archive)
        with os.fdopen(contents, "rb", buffering=PIECE) as file:
            check_alone(jail, os.fstat(contents), archive)
            with explained(destination):
                return _extract(jail, _Archive(archive, file, ceilings), destination, owner, pace)


@attrs.define
class _Archive:
    """An open archive. ``own``: it has lightd's mark."""

    path: RelativePath
    file: IO[bytes]
    limits: Ceilings | None
    own: bool = False

    @property
    def ceilings(self) -> Ceilings:
        return self.limits or (archives.OWN if self.own else CEILINGS)

    def parse(self, name: str) -> RelativePath:
        """Parse the name of an entry; a drive of Windows in another program's archive is an absolute path."""
        if not self.own and _DRIVE.match(name):
            raise errors.InvalidPath(errors.ESCAPES)
        return parse_name(name)

    def recognise(self, comment: str | None, staging: Staging) -> None:
        """Set ``own``, and the limits of ``staging``, by the archive's comment."""
        self.own = comment in (archives.MARK, archives.MARK_OF_VOLUME)
        staging.ceilings, staging.any_link = self.ceilings, self.own


def _extract(
    jail: Jail, archive: _Archive, destination: RelativePath, owner: Owner | None, pace: Pace
) -> int:
    part = new_part_name()
    try:
        jail.charge(ENTRY, 1)
        with held(make_folder_at(jail.root, part, owner)) as folder:
            size = os.fstat(archive.file.fileno()).st_size
            inner = Jail(folder, jail.resolver, charge=jail.charge)
            staging = Staging(inner, owner, pace, archive.ceilings, size)
            _stage(staging, archive)
            with held(os.open(".", FOLDER, dir_fd=folder)) as source:
                target = jail.make_folders(destination, owner)
                with held(target), held(os.open(".", FOLDER, dir_fd=target)) as names:
                    check_below(jail, folder, jail.place_of(target), destination.parts, pace=pace)
                    place(source, names, destination)
                    staging.finish_folders(target)
            return staging.left_out
    finally:
        with suppress(FileNotFoundError):
            delete_at(jail.root, part, lambda _: None)


def _stage(staging: Staging, archive: _Archive) -> None:
    try:
        form = find_format(archive.file, archive.path.name)
        if form.container == "zip":
            _stage_zip(staging, archive)
        else:
            with open_stream(archive.file, form.compression, "rb") as stream:
                if form.container == "file":
                    _stage_single(staging, archive, stream)
                else:
                    _stage_tar(staging, archive, stream)
        staging.make_links()
    except OSError as error:
        if error.errno not in _CONTRADICTIONS:
            raise
        raise errors.InvalidArchive("The archive is damaged or contradictory") from None
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)
        raise errors.InvalidArchive("The archive needs more memory than is allowed for unpacking") from None
    except DAMAGED as error:
        traceback.clear_frames(error.__traceback__)  # they can hold all of the available memory
        raise errors.InvalidArchive("The archive is damaged, or its format is not supported") from None


def _stage_single(staging: Staging, archive: _Archive, stream: IO[bytes]) -> None:
    path = RelativePath((to_single_name(archive.path.name),))
    state = os.fstat(archive.file.fileno())
    if staging.admits(path):
        staging.add_file(path, stat.S_IMODE(state.st_mode), state.st_mtime_ns, stream)


def _stage_tar(staging: Staging, archive: _Archive, stream: IO[bytes]) -> None:
    with open_tar(stream, staging.read) as tar:
        archive.recognise(tar.pax_headers.get("comment"), staging)
        for member in tar:
            _stage_tar_entry(staging, archive.parse, tar, cast(Member, member))
            tar.members = []  # type: ignore[attr-defined]  # it would remember them all


def _stage_zip(staging: Staging, archive: _Archive) -> None:
    _check_end(staging, archive)
    with zipfile.ZipFile(archive.file) as zipped:
        entries = zipped.infolist()
        if len(entries) > archive.ceilings.entries:
            raise errors.InvalidArchive(f"The archive has more than {archive.ceilings.entries} entries")
        for info in entries:
            name = zips.own_name_of(info) if archive.own else zips.name_of(info)
            _stage_zip_entry(staging, archive.parse(name), zipped, info, name)


def _check_end(staging: Staging, archive: _Archive) -> None:
    """Read the end record of a zip: its mark, and whether it has too many entries to read them all."""
    file = archive.file
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 - ZipFile reads the directory at once
    file.seek(0)
    if not end:
        return
    archive.recognise(end[zipfile._ECD_COMMENT].decode("latin-1"), staging)  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    limit = archive.ceilings.entries
    if end[zipfile._ECD_DISK_NUMBER] not in (0, 0xFFFF):  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        raise errors.InvalidArchive(f'"{archive.path}" is a part of a split zip: join its parts first')
    if end[zipfile._ECD_ENTRIES_TOTAL] > limit:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        raise errors.InvalidArchive(f"The archive has more than {limit} entries")


def _stage_tar_entry(
    staging: Staging, parse: Callable[[str], RelativePath], tar: tarfile.TarFile, member: Member
) -> None:
    path = parse(member.name)
    if not staging.admits(path):
        return
    if member.isdir():
        staging.add_folder(path, member.mode, member.modified_at)
    elif member.issym():
        staging.add_link(path, member.linkname, member.modified_at)
    elif member.islnk():
        staging.add_hard_link(path, parse(member.linkname))
    elif member.isreg() and (contents := tar.extractfile(member)) is not None:
        staging.add_file(path, member.mode, member.modified_at, contents, member.layout)
    else:
        staging.left_out += 1


def _stage_zip_entry(
    staging: Staging, path: RelativePath, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str
) -> None:
    if not staging.admits(path):
        return
    whole_mode, moment = zips.mode_of(info), zips.modified_at(info)
    kind, mode = stat.S_IFMT(whole_mode), stat.S_IMODE(whole_mode) if whole_mode else None
    if zips.is_folder(info, name):
        staging.add_folder(path, mode, moment)
        return
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        staging.left_out += 1
        return
    if info.flag_bits & zips.ENCRYPTED:
        raise errors.InvalidArchive(f'"{path}" in the archive is encrypted, which is not supported')
    try:
        contents = archive.open(info)
    except NotImplementedError:
        method = zips.METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise errors.InvalidArchive(
            f'"{path}" in the archive is compressed with {method}, which is not supported'
        ) from None
    with contents:
        if kind == stat.S_IFLNK:
            staging.add_link(path, os.fsdecode(contents.read(4096)), moment)
        else:
            staging.add_file(path, mode, moment, contents)
