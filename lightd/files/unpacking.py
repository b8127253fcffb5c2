"""Unpacking an archive: into a staging folder at the volume's root first, then moved where it belongs.

An archive is a tenant's, and hostile. One name that is absolute or has a ``..`` refuses it whole, and so does
one that is a file here and a folder there. Everything is made below descriptors, in a folder that is ours
and new, with no link in it until the last file is written; so nothing is ever written through a link.

- Files and folders get their permissions less set-id bits, and the owner asked for.
- A symbolic link is made if it stays in what is unpacked, going by its text, else it is left out.
- A hard link is to a file that the same archive held before it.
- Devices and FIFOs are left out. Of two files of one name the later stays.
- Blocks of zeros become holes, and so do the holes of sparse files in a tar. Those count among the bytes that
  ``Ceilings`` allow, but not in the ratio.
- More entries, bytes, levels, or a better ratio than ``Ceilings`` allow, refuse the archive. So does a tar
  whose stream goes over them, though nothing of it would be written.

Only when all is staged, and nothing of it would meet something of another kind at the destination, are files
moved there. Until then a failure leaves the destination as it was. Folders are merged, files replaced, links
at the destination never followed.
"""

import errno
import os
import stat
import tarfile
import traceback
import zipfile
from contextlib import suppress
from datetime import datetime
from typing import IO, Final, cast

from lightd.files import errors
from lightd.files.archives import DAMAGED, Ceilings, open_tar_stream, to_kind
from lightd.files.charging import ENTRY, PIECE
from lightd.files.deleting import Pace, delete_at
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, make_folder_at, open_contents
from lightd.files.measuring import check_alone
from lightd.files.paths import RelativePath, parse_name
from lightd.files.placing import new_part_name
from lightd.files.staging import Staging, place
from lightd.files.tars import Member, open_tar

CEILINGS: Final = Ceilings()

_CONTRADICTIONS = (  # what the system says to an archive that can't be, of files that lie in files
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EXDEV,
    None,  # gzip and bz2 raise an OSError without a number
)
_UNIX = 3  # the create_system whose modes mean something


def extract(
    jail: Jail,
    archive: RelativePath,
    destination: RelativePath,
    owner: Owner | None,
    pace: Pace,
    ceilings: Ceilings = CEILINGS,
) -> int:
    """What ``archive`` holds is below ``destination``, made if it is missing; return how many were left out.

    Raises ``InvalidPath`` for a name that leads out, ``InvalidArchive`` for what can't be read or goes over a
    ceiling, ``WrongKind`` where the destination has something of another kind. ``pace`` is called at every
    entry and before every piece.
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
        raise errors.InvalidArchive("The archive is damaged, or contradicts itself") from None
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)
        raise errors.InvalidArchive("The archive takes more memory than there is for unpacking one") from None
    except DAMAGED as error:
        traceback.clear_frames(error.__traceback__)  # they may hold all the memory that there is
        raise errors.InvalidArchive("The archive is damaged, or of a kind that can't be read") from None


def _check_directory(file: IO[bytes], ceilings: Ceilings) -> None:
    """Refuse a zip of too many entries by what it says at its end, before its directory is read whole."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 - ZipFile reads the directory at once
    if end and end[zipfile._ECD_ENTRIES_TOTAL] > ceilings.entries:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        raise errors.InvalidArchive(f"The archive has more than {ceilings.entries} entries")
    file.seek(0)


def _stage_tar_entry(staging: Staging, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = parse_name(member.name)
    if not staging.admits(path):
        return
    if member.isdir():
        staging.add_folder(path, member.mode)
    elif member.issym():
        staging.add_link(path, member.linkname)
    elif member.islnk():
        staging.add_hard_link(path, parse_name(member.linkname))
    elif member.isreg() and (contents := tar.extractfile(member)) is not None:
        staging.add_file(path, member.mode, member.mtime, contents, cast(Member, member).layout)
    else:
        staging.left_out += 1


def _stage_zip_entry(staging: Staging, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    path = parse_name(info.filename.replace("\\", "/"))  # some tools on Windows write those
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


def _modified_at(info: zipfile.ZipInfo) -> float:
    with suppress(ValueError, OverflowError):  # a thirteenth month, or the 31st of February
        return datetime(*info.date_time).astimezone().timestamp()
    return 0
