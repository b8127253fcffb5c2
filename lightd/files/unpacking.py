"""Unpacks an archive: into a staging folder at the volume's root, then moved to the destination.

An archive comes from a tenant and can be hostile. An absolute name, or one with ``..``, rejects the whole
archive, and so does a name that is a file in one place and a folder in another. Everything is created below
descriptors, in a new folder that belongs to the daemon and contains no link until the last file is written;
so nothing is written through a link.

- Files and folders get their permissions without set-id bits, and the requested owner.
- A symbolic link is created if its text stays inside of what is unpacked; otherwise it is left out.
- A hard link must refer to an earlier file of the same archive.
- Devices and FIFOs are left out. Of two files with one name, the later one is kept.
- Blocks of zeros become holes, and so do the holes of sparse files in a tar. They count towards the bytes of
  ``Ceilings``, but not towards the ratio.
- More entries, bytes or levels, or a higher ratio, than ``Ceilings`` allows reject the archive. So does a
  tar whose stream exceeds them, even if nothing of it would be written.

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
from contextlib import suppress
from datetime import datetime
from typing import IO, cast

from lightd.files import errors
from lightd.files.archives import CEILINGS, Ceilings, to_kind
from lightd.files.charging import ENTRY, PIECE
from lightd.files.compression import DAMAGED, open_tar_stream
from lightd.files.deleting import Pace, delete_at
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, make_folder_at, open_contents
from lightd.files.measuring import check_alone
from lightd.files.paths import RelativePath, parse_name
from lightd.files.placing import new_part_name
from lightd.files.staging import Staging, place
from lightd.files.tars import Member, open_tar

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
_UNIX = 3  # the create_system whose modes have a meaning


def extract(
    jail: Jail,
    archive: RelativePath,
    destination: RelativePath,
    owner: Owner | None,
    pace: Pace,
    ceilings: Ceilings = CEILINGS,
) -> int:
    """Unpack ``archive`` to ``destination``, created if it is missing; return how many entries were left out.

    Raises ``InvalidPath`` for a name that leads out, ``InvalidArchive`` if it cannot be read or exceeds a
    limit, and ``WrongKind`` if the destination contains something of another type. ``pace`` is called for
    every entry and every piece.
    """
    with explained(archive), held(jail.find(archive)) as found:
        contents = open_contents(found, archive)
        with os.fdopen(contents, "rb", buffering=PIECE) as file:
            check_alone(jail, os.fstat(contents), archive)
            with explained(destination):
                return _extract(jail, file, destination, owner, pace, ceilings)


def _extract(
    jail: Jail,
    file: IO[bytes],
    destination: RelativePath,
    owner: Owner | None,
    pace: Pace,
    ceilings: Ceilings,
) -> int:
    part = new_part_name()
    try:
        jail.charge(ENTRY, 1)
        with held(make_folder_at(jail.root, part, owner)) as folder:
            size = os.fstat(file.fileno()).st_size
            staging = Staging(Jail(folder, jail.resolver, charge=jail.charge), owner, pace, ceilings, size)
            _stage(staging, file, ceilings)
            with held(os.open(".", FOLDER, dir_fd=folder)) as source:
                target = jail.make_folders(destination, owner)
                with held(target), held(os.open(".", FOLDER, dir_fd=target)) as names:
                    place(source, names, destination)
            return staging.left_out
    finally:
        with suppress(FileNotFoundError):
            delete_at(jail.root, part, lambda _: None)


def _stage(staging: Staging, file: IO[bytes], ceilings: Ceilings) -> None:
    kind = to_kind(os.pread(file.fileno(), 8, 0))
    try:
        if kind == "zip":
            _check_directory(file, ceilings)
            with zipfile.ZipFile(file) as archive:
                if len(archive.infolist()) > ceilings.entries:
                    raise errors.InvalidArchive(f"The archive has more than {ceilings.entries} entries")
                for info in archive.infolist():
                    _stage_zip_entry(staging, archive, info)
        else:
            with open_tar_stream(file, kind, "rb") as stream, open_tar(stream, staging.read) as tar:
                for member in tar:
                    _stage_tar_entry(staging, tar, member)
                    tar.members = []  # type: ignore[attr-defined]  # it would remember them all
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


def _check_directory(file: IO[bytes], ceilings: Ceilings) -> None:
    """Reject a zip with too many entries by its end record, before its whole directory is read."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 - ZipFile reads the directory at once
    if end and end[zipfile._ECD_ENTRIES_TOTAL] > ceilings.entries:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        raise errors.InvalidArchive(f"The archive has more than {ceilings.entries} entries")
    file.seek(0)


def _stage_tar_entry(staging: Staging, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = _parse_foreign(member.name)
    if not staging.admits(path):
        return
    if member.isdir():
        staging.add_folder(path, member.mode)
    elif member.issym():
        staging.add_link(path, member.linkname)
    elif member.islnk():
        staging.add_hard_link(path, _parse_foreign(member.linkname))
    elif member.isreg() and (contents := tar.extractfile(member)) is not None:
        staging.add_file(path, member.mode, member.mtime, contents, cast(Member, member).layout)
    else:
        staging.left_out += 1


def _stage_zip_entry(staging: Staging, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    path = _parse_foreign(info.filename.replace("\\", "/"))  # some tools on Windows write backslashes
    if not staging.admits(path):
        return
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if info.is_dir() or kind == stat.S_IFDIR:
        staging.add_folder(path, stat.S_IMODE(mode))
    elif kind == stat.S_IFLNK:
        with archive.open(info) as contents:
            staging.add_link(path, os.fsdecode(contents.read(4096)))
    elif kind in (0, stat.S_IFREG):
        with archive.open(info) as contents:
            staging.add_file(path, stat.S_IMODE(mode), _modified_at(info), contents)
    else:
        staging.left_out += 1


def _parse_foreign(name: str) -> RelativePath:
    """Parse a name; an absolute path of Windows raises ``InvalidPath``, too."""
    if _DRIVE.match(name):
        raise errors.InvalidPath(errors.ESCAPES)
    return parse_name(name)


def _modified_at(info: zipfile.ZipInfo) -> float:
    with suppress(ValueError, OverflowError):  # a thirteenth month, or 31 February
        return datetime(*info.date_time).astimezone().timestamp()
    return 0
