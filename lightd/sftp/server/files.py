"""The SFTP server of one channel, in a process that sees nothing but the volume.

Paths are plain: the kernel keeps them in. Where the volume has a deny list, a path is resolved to one without
links first, and then walked through without following any, so that a link that another client plants in
between leads nowhere.

An open waits for nobody (``O_NONBLOCK``), and only regular files are opened. Nothing is sent to a client that
does not read what was sent before.
"""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

import asyncssh
import attrs
from asyncssh.constants import FXF_APPEND, FXF_CREAT, FXF_EXCL, FXF_READ, FXF_TRUNC, FXF_WRITE
from asyncssh.sftp import SFTPAttrs, SFTPName, SFTPVFSAttrs

from lightd.sftp.server.journal import Journal

if TYPE_CHECKING:
    from lightd.sftp.server.session import Session

MOST_READ: Final = 1 << 20
"""Bytes of one answer; clients ask for the rest."""
MOST_UNREAD: Final = 4 << 20
"""Bytes that wait for a client to read them; a request waits then."""
LOOK: Final = 0.005
MOST_BELOW: Final = 100_000
"""Names in a folder that is renamed: each is looked for in the deny list."""
PERMISSIONS: Final = 0o777
BLOCK: Final = 4096
_LINKS: Final = 40

_WALK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@attrs.define(eq=False)
class Handle:
    """An open file; ``path`` is the one that it was opened with."""

    descriptor: int
    path: bytes
    appends: bool
    written: int = 0


def to_absolute(path: bytes) -> bytes:
    """Return the path as seen from the volume, without ``.`` and ``..``; links are not looked at."""
    return os.path.normpath(b"/" + path).replace(b"//", b"/")


def to_real(path: bytes) -> bytes:
    """Return where the name at an absolute path is, without links on the way to it."""
    above, name = os.path.split(path)
    return os.path.join(os.path.realpath(above), name)  # noqa: PTH118 - bytes


class Files(asyncssh.SFTPServer):
    """See the module; asyncssh calls the methods, one at a time for a channel, and sends what they raise."""

    def __init__(
        self, channel: "asyncssh.SSHServerChannel[bytes]", session: "Session", journal: Journal
    ) -> None:
        super().__init__(channel)
        self._channel = channel
        self._session = session
        self._journal = journal

    # Where a path leads

    @contextmanager
    def _place(
        self, path: bytes, *, follow: bool, folder: bool | None = False
    ) -> Iterator[tuple[int | None, bytes]]:
        """Yield the folder and the name of what ``path`` stands for, or None and the path itself.

        A denied path raises ``EACCES``. ``folder`` says whether it is one, None if it must be looked at.
        """
        _check_name(path)
        if not self._journal.deny:
            yield None, path
            return
        whole = to_absolute(path)
        real = os.path.realpath(whole) if follow else to_real(whole)
        if folder is None:
            with suppress(OSError):
                folder = stat.S_ISDIR(os.lstat(real).st_mode)
        for each in {whole, real}:
            self._journal.check(each, folder=bool(folder))
        if real == b"/":
            yield None, b"/"
            return
        above, name = os.path.split(real)
        here = os.open(b"/", _WALK)
        try:
            for part in filter(None, above.split(b"/")):
                there = os.open(part, _WALK, dir_fd=here)
                os.close(here)
                here = there
            yield here, name
        finally:
            os.close(here)

    async def _drained(self) -> None:
        """Return when the client has read enough of what was sent."""
        transport = self._session.transport
        while (  # noqa: ASYNC110 - asyncssh tells nobody when it has sent something
            transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() + self._channel.get_write_buffer_size() > MOST_UNREAD
        ):
            await asyncio.sleep(LOOK)

    # Files

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> Handle:
        writes = bool(pflags & (FXF_WRITE | FXF_APPEND))
        flags = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        flags |= (os.O_RDWR if pflags & FXF_READ else os.O_WRONLY) if writes else os.O_RDONLY
        flags |= os.O_APPEND * bool(pflags & FXF_APPEND)
        if writes or pflags & (FXF_CREAT | FXF_TRUNC):
            self._journal.check_writable()
        with self._place(path, follow=True) as (above, name):
            if self._journal.deny:
                flags |= os.O_NOFOLLOW
            if pflags & FXF_CREAT:
                flags |= os.O_CREAT | os.O_EXCL * bool(pflags & FXF_EXCL)
                if not os.access(name, os.F_OK, dir_fd=above, follow_symlinks=False):
                    await self._journal.charge(0, 1)
            mode = 0o644 if attrs.permissions is None else attrs.permissions & PERMISSIONS
            descriptor = os.open(name, flags, mode, dir_fd=above)
        try:
            _check_regular(os.fstat(descriptor).st_mode)
            if pflags & FXF_TRUNC and writes:
                os.ftruncate(descriptor, 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._journal.transferred(files=1)
        if writes:
            self._journal.note("write", to_absolute(path))
        return Handle(descriptor, path, bool(pflags & FXF_APPEND))

    async def open56(self, path: bytes, desired_access: int, flags: int, attrs: SFTPAttrs) -> NoReturn:  # noqa: ARG002 - asyncssh's
        raise asyncssh.SFTPOpUnsupported("only version 3 of the protocol is served")

    def close(self, file_obj: object) -> None:
        os.close(_held(file_obj).descriptor)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        await self._drained()
        data = os.pread(_held(file_obj).descriptor, min(size, MOST_READ), _to_offset(offset))
        self._journal.transferred(read=len(data))
        return data

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        await self._journal.charge(-(-len(data) // BLOCK) * BLOCK)
        done, rest = 0, memoryview(data)
        while done < len(data):
            done += os.pwrite(_held(file_obj).descriptor, rest[done:], _to_offset(offset) + done)
        self._journal.transferred(written=done)
        return done

    def fsync(self, file_obj: object) -> None:
        os.fsync(_held(file_obj).descriptor)

    # What they are

    def stat(self, path: bytes) -> os.stat_result:
        with self._place(path, follow=True, folder=None) as (above, name):
            return os.stat(name, dir_fd=above, follow_symlinks=above is None)

    def lstat(self, path: bytes) -> os.stat_result:
        with self._place(path, follow=False, folder=None) as (above, name):
            return os.stat(name, dir_fd=above, follow_symlinks=False)

    def fstat(self, file_obj: object) -> os.stat_result:
        return os.fstat(_held(file_obj).descriptor)

    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self._set(path, attrs, follow=True)

    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self._set(path, attrs, follow=False)

    async def _set(self, path: bytes, attrs: SFTPAttrs, *, follow: bool) -> None:
        self._journal.check_writable()
        with self._place(path, follow=follow, folder=None) as (above, name):
            follow = follow and above is None
            if attrs.size is not None:
                flags = (
                    os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW * (not follow)
                )
                descriptor = os.open(name, flags, dir_fd=above)
                try:
                    self._resize(descriptor, attrs.size)
                finally:
                    os.close(descriptor)
            if attrs.permissions is not None:
                if not follow and stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
                    raise OSError(errno.EOPNOTSUPP, "a link has no permissions")
                os.chmod(name, attrs.permissions & PERMISSIONS, dir_fd=above)
            if attrs.atime is not None and attrs.mtime is not None:
                os.utime(name, ns=_to_times(attrs), dir_fd=above, follow_symlinks=follow)
        self._journal.note("change", to_absolute(path))

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        self._journal.check_writable()
        if attrs.size is not None:
            self._resize(_held(file_obj).descriptor, attrs.size)
        if attrs.permissions is not None:
            os.fchmod(_held(file_obj).descriptor, attrs.permissions & PERMISSIONS)
        if attrs.atime is not None and attrs.mtime is not None:
            os.utime(_held(file_obj).descriptor, ns=_to_times(attrs))

    def _resize(self, descriptor: int, size: int) -> None:
        limit = self._journal.limit
        if limit is not None and size > max(limit, os.fstat(descriptor).st_size):
            raise OSError(errno.ENOSPC, "the volume is not as large as this")
        os.ftruncate(descriptor, _to_offset(size))

    def statvfs(self, path: bytes) -> SFTPVFSAttrs:
        with self._place(path, follow=True, folder=None) as (above, name):
            os.stat(name, dir_fd=above, follow_symlinks=above is None)
        return self._to_room(os.statvfs(b"/"))

    def fstatvfs(self, file_obj: object) -> SFTPVFSAttrs:  # noqa: ARG002 - asyncssh passes it
        return self._to_room(os.statvfs(b"/"))

    def _to_room(self, disk: os.statvfs_result) -> SFTPVFSAttrs:
        """The size of the volume and what is left of it, not more than the disk has."""
        room = SFTPVFSAttrs.from_local(disk)
        limit, used = self._journal.limit, self._journal.used
        if limit is not None:
            room.bsize = room.frsize = BLOCK
            left = limit if used is None else max(limit - used, 0)
            room.blocks = limit // BLOCK
            room.bfree = room.bavail = min(left, disk.f_bavail * disk.f_frsize) // BLOCK
        return room

    # Names

    def realpath(self, path: bytes) -> bytes:
        _check_name(path)
        resolved = os.path.realpath(to_absolute(path))
        with self._place(resolved, follow=False, folder=None):
            return resolved

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        with self._place(path, follow=True, folder=True) as (above, name):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
            folder = os.open(name, flags | os.O_NOFOLLOW * (above is not None), dir_fd=above)
        try:
            here = SFTPAttrs.from_local(os.fstat(folder))
            for own in (b".", b".."):
                yield SFTPName(own, attrs=here)
            with os.scandir(folder) as entries:
                for entry in entries:
                    await self._drained()
                    with suppress(FileNotFoundError):  # removed meanwhile
                        found = SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                        yield SFTPName(os.fsencode(entry.name), attrs=found)
        finally:
            os.close(folder)

    def readlink(self, path: bytes) -> bytes:
        with self._place(path, follow=False) as (above, name):
            return os.readlink(name, dir_fd=above)

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        self._journal.check_writable()
        _check_name(oldpath)
        with self._place(newpath, follow=False) as (above, name):
            await self._journal.charge(0, 1)
            os.symlink(oldpath, name, dir_fd=above)
        self._journal.note("link", to_absolute(newpath), oldpath)

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        self._journal.check_writable()
        with (
            self._place(oldpath, follow=False) as (old_above, old),
            self._place(newpath, follow=False) as (above, name),
        ):
            await self._journal.charge(0, 1)
            os.link(old, name, src_dir_fd=old_above, dst_dir_fd=above, follow_symlinks=False)
        self._journal.note("link", to_absolute(newpath), to_absolute(oldpath))

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        self._journal.check_writable()
        mode = 0o755 if attrs.permissions is None else attrs.permissions & PERMISSIONS
        with self._place(path, follow=False, folder=True) as (above, name):
            await self._journal.charge(0, 1)
            os.mkdir(name, mode, dir_fd=above)
        self._journal.note("mkdir", to_absolute(path))

    def rmdir(self, path: bytes) -> None:
        self._journal.check_writable()
        with self._place(path, follow=False, folder=True) as (above, name):
            os.rmdir(name, dir_fd=above)
        self._journal.note("rmdir", to_absolute(path))

    def remove(self, path: bytes) -> None:
        self._journal.check_writable()
        with self._place(path, follow=False, folder=None) as (above, name):
            os.unlink(name, dir_fd=above)
        self._journal.note("remove", to_absolute(path))

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._rename(oldpath, newpath, replaces=False)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._rename(oldpath, newpath, replaces=True)

    def _rename(self, old: bytes, new: bytes, *, replaces: bool) -> None:
        self._journal.check_writable()
        with self._place(old, follow=False, folder=None) as (old_above, old_name):
            folder = stat.S_ISDIR(os.stat(old_name, dir_fd=old_above, follow_symlinks=False).st_mode)
            with self._place(new, follow=False, folder=folder) as (above, name):
                if folder and self._journal.deny:
                    self._check_below(
                        old_above, old_name, to_real(to_absolute(old)), to_real(to_absolute(new))
                    )
                if not replaces:
                    with suppress(FileNotFoundError):
                        os.stat(name, dir_fd=above, follow_symlinks=False)
                        raise asyncssh.SFTPFailure("there is a file with this name already")
                os.rename(old_name, name, src_dir_fd=old_above, dst_dir_fd=above)
        self._journal.note("rename", to_absolute(old), to_absolute(new))

    def exit(self) -> None:
        """The client has ended its session: `scp` fails if it is not told that this is well."""
        self._session.channels -= 1
        if not self._channel.is_closing():
            self._channel.exit(0)

    def _check_below(self, above: int | None, name: bytes, *tops: bytes) -> None:
        """Raise ``EACCES`` if something in a folder is denied with the folder at one of ``tops``."""
        seen = 0
        for place, folders, files, _ in os.fwalk(name, dir_fd=above, follow_symlinks=False):
            below = place[len(name) :].lstrip(b"/")
            for each, is_folder in (*((each, True) for each in folders), *((each, False) for each in files)):
                seen += 1
                if seen > MOST_BELOW:
                    raise OSError(errno.EACCES, "the folder has too many files to look for denied ones")
                for top in tops:
                    self._journal.check(os.path.join(top, below, each), folder=is_folder)  # noqa: PTH118 - bytes

    # What a listing shows: names of users would be looked up in files of the volume

    def format_user(self, uid: int | None) -> str:
        return "" if uid is None else str(uid)

    def format_group(self, gid: int | None) -> str:
        return "" if gid is None else str(gid)


def _check_name(path: bytes) -> None:
    if b"\0" in path:
        raise OSError(errno.EINVAL, "a name has no NUL")


def _check_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EACCES, "it is not a regular file")


def _held(file_obj: object) -> Handle:
    if not isinstance(file_obj, Handle):
        raise TypeError(file_obj)  # asyncssh gives back what ``open`` returned
    return file_obj


def _to_offset(offset: int) -> int:
    if offset >= 2**63:
        raise OSError(errno.EINVAL, "the offset is too large")
    return offset


def _to_times(attrs: SFTPAttrs) -> tuple[int, int]:
    accessed, modified = (
        (seconds or 0) * 10**9 + (part or 0)
        for seconds, part in ((attrs.atime, attrs.atime_ns), (attrs.mtime, attrs.mtime_ns))
    )
    return accessed, modified
