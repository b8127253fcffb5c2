"""Files that arrive in pieces: written to a temporary file, which ``commit`` moves to its target.

An upload with a name can be interrupted and resumed. Its temporary file is ``.lightd-<hash>.part`` in the
folder of its path, where the hash is that of the path and the upload's name; listings hide it. The client
asks for ``offset``, says where its next piece begins, and gives the whole length at the end:

- a piece can begin anywhere up to ``offset``; what came after is dropped, so a piece can be sent again;
- a piece that begins beyond it raises ``InvalidOffset``, and so does a commit with another length than has
  arrived;
- one client at a time can write an upload (flock(2)); a second one gets ``NotAllowed``.

An upload without a name leaves nothing if it ends without a commit. Named ones that are not resumed are
deleted by ``sweep_parts``. The name of a temporary file can be guessed, and the tenant can change the file:
if it does not belong to the daemon, is not a regular file with a single name, or has a lease, it is deleted
and created again.

An upload can have a condition. It is checked before anything is received, and again at the moment of the
commit, so that of two clients that change the same file, one gets an error.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.charging import ENTRY, Charge
from lightd.files.deleting import Pace, delete_at
from lightd.files.jail import TRIES, Guard, Jail, Owner, explained, give_to, held, look_at
from lightd.files.paths import ROOT, RelativePath
from lightd.files.placing import CREATE, begin_writing_back, is_part_name, mode_to_keep, new_part_name
from lightd.files.reading import to_etag
from lightd.files.resolve import LOOK
from lightd.files.walking import walk

ANY = "*"
_REOPEN = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
BEHIND: Final = 8 << 20
"""Bytes after which the kernel is asked to start writing, which keeps the sync at the end short."""


@attrs.frozen
class Condition:
    """ETags that the replaced file must have, and must not have (RFC 9110, 13.1); ``*`` is any."""

    matches: frozenset[str] | None = None
    differs: frozenset[str] | None = None

    def check(self, folder: int, path: RelativePath) -> None:
        """Raise ``PreconditionFailed`` if the file at ``path``, in ``folder``, does not match."""
        if self.matches is None and self.differs is None:
            return
        try:
            etag = to_etag(look_at(folder, path.name))
        except FileNotFoundError:
            etag = None
        if self.matches is not None and not _among(self.matches, etag):
            raise errors.PreconditionFailed(f'"{path}" does not match If-Match: it was changed or deleted')
        if self.differs is not None and _among(self.differs, etag):
            raise errors.PreconditionFailed(f'"{path}" is there already')


def _among(etags: frozenset[str], etag: str | None) -> bool:
    return etag is not None and (ANY in etags or etag in etags)


UNCONDITIONAL = Condition()


@attrs.define(eq=False)
class Upload:
    """An upload, opened by ``open_upload``; ``offset`` bytes of it have arrived."""

    path: RelativePath
    offset: int
    _folder: int
    _part: str
    _file: int
    _owner: Owner | None
    _mode: int
    _condition: Condition
    _placing: Guard
    _charge: Charge
    _check: Callable[[], None]  # raises ``Denied``
    _begun: int = 0  # the kernel was asked to write up to this offset
    keep: bool = attrs.field(kw_only=True)  # whether the temporary file is kept when the block ends

    def begin_at(self, offset: int) -> None:
        """Begin the next piece at ``offset``; data after it is dropped. Raises ``InvalidOffset``."""
        if not 0 <= offset <= self.offset:
            raise errors.InvalidOffset(f'{self.offset} bytes of "{self.path}" have arrived, not {offset}')
        with explained(self.path):
            os.ftruncate(self._file, offset)
        self.offset = self._begun = offset

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append ``piece`` and advance ``offset``. Raises ``NoSpace``, with a part of it written."""
        rest = memoryview(piece)
        self._charge(len(rest), 0)
        with explained(self.path):
            while rest:
                written = os.pwrite(self._file, rest, self.offset)
                self.offset += written
                if self.offset - self._begun >= BEHIND:
                    begin_writing_back(self._file, self._begun, self.offset - self._begun)
                    self._begun = self.offset
                rest = rest[written:]

    def commit(self, length: int | None = None) -> str:
        """Move the file to ``path`` and sync it; ``length``, if given, must be its size.

        Returns its ETag. Raises ``InvalidOffset``, ``PreconditionFailed``.
        """
        if length is not None and length != self.offset:
            raise errors.InvalidOffset(f'{self.offset} bytes of "{self.path}" have arrived, not {length}')
        with explained(self.path):
            give_to(self._file, self._owner, self._mode)
            os.fsync(self._file)
            with self._placing:
                self._check()
                self._condition.check(self._folder, self.path)
                try:
                    os.rename(self._part, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                except FileNotFoundError:
                    raise errors.NotAllowed(
                        f'The temporary file of "{self.path}" was removed; start the upload again'
                    ) from None
        self.keep = True  # under its new name
        return to_etag(os.fstat(self._file))

    def abandon(self) -> None:
        """Delete the temporary file when the block ends, even if the upload has a name."""
        self.keep = False


@contextmanager
def open_upload(
    jail: Jail,
    path: RelativePath,
    owner: Owner | None,
    name: str | None = None,
    condition: Condition = UNCONDITIONAL,
) -> Iterator[Upload]:
    """Open an upload to ``path``, creating its folders; with a ``name``, an interrupted one is resumed.

    Raises ``WrongKind`` if a folder, a link or a special file has the path, ``NotAllowed`` if another client
    writes to this upload, and ``PreconditionFailed``.
    """
    with ExitStack() as stack:
        with explained(path):
            folder = stack.enter_context(held(jail.make_folders(path.parent, owner)))
            root = stack.enter_context(held(os.dup(jail.root)))  # the jail is closed before the commit
            check = partial(attrs.evolve(jail, root=root).check_name, folder, path, folder=False)
            check()
            mode = mode_to_keep(jail, folder, path)
            condition.check(folder, path)
            part = new_part_name() if name is None else _named_part(path, name)
            opened = _open_part(folder, part, path, jail.charge)
            file = stack.enter_context(jail.open_files.held(opened))
            arrived = os.fstat(file).st_size
        upload = Upload(
            path,
            arrived,
            folder,
            part,
            file,
            owner,
            mode,
            condition,
            jail.placing,
            jail.charge,
            check,
            keep=name is not None,
        )
        try:
            yield upload
        finally:
            if not upload.keep:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


def arrived_of(jail: Jail, path: RelativePath, name: str) -> int:
    """How many bytes of the upload ``name`` to ``path`` are stored; 0 if there is none."""
    with explained(path), suppress(FileNotFoundError), held(jail.find_folder(path.parent)) as folder:
        jail.check_name(folder, path, folder=False)
        state = look_at(folder, _named_part(path, name))
        return state.st_size if _is_ours(state) else 0
    return 0


def forget(jail: Jail, path: RelativePath, name: str) -> None:
    """Delete the upload ``name`` to ``path``."""
    with explained(path), suppress(FileNotFoundError), held(jail.find_folder(path.parent)) as folder:
        jail.check_name(folder, path, folder=False)
        delete_at(folder, _named_part(path, name), lambda _: None)


def sweep_parts(jail: Jail, before: float, pace: Pace, began: float = 0) -> int:
    """Delete temporary files that were not written to since ``before`` (Unix seconds); return their number.

    Files of writers that ended before the daemon ``began`` are deleted too, unless their upload has a name.
    ``pace`` is called for every name; if it raises, the sweep ends.
    """
    swept = 0
    with explained(ROOT), closing(walk(jail.root)) as mets:
        for met in mets:
            pace(0)
            if not is_part_name(met.name):
                continue
            orphaned = met.name.endswith(".temp") and met.state.st_ctime < began
            if orphaned or met.state.st_mtime < before:
                with suppress(FileNotFoundError):
                    delete_at(met.folder, met.name, pace)
                    swept += 1
    return swept


def _named_part(path: RelativePath, name: str) -> str:
    text = "/".join(path.parts)
    digest = hashlib.sha256(f"{text}\0{name}".encode("utf-8", "surrogateescape")).hexdigest()
    return f".lightd-{digest[:16]}.part"


def _open_part(folder: int, part: str, path: RelativePath, charge: Charge) -> int:
    charge(ENTRY, 1)
    for _ in range(TRIES):
        with ExitStack() as stack:
            try:
                file = os.open(part, CREATE, 0o600, dir_fd=folder)
            except FileExistsError:
                file = _reopen_part(folder, part)
            stack.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.NotAllowed(f'Another client is sending "{path}"') from None
            # Another client may have committed it while this one waited for the lock.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), look_at(folder, part)):
                    stack.pop_all()
                    return file
    raise errors.NotAllowed(f'The upload to "{path}" keeps changing')


def _is_ours(state: os.stat_result) -> bool:
    return stat.S_ISREG(state.st_mode) and state.st_nlink == 1 and state.st_uid == os.geteuid()


def _reopen_part(folder: int, part: str) -> int:
    """The file of an interrupted upload; created again if it does not belong to the daemon alone."""
    with suppress(FileNotFoundError), held(os.open(part, LOOK, dir_fd=folder)) as found:
        if _is_ours(os.fstat(found)):
            with suppress(BlockingIOError):  # it has a lease
                return os.open(f"/proc/self/fd/{found}", _REOPEN)
        delete_at(folder, part, lambda _: None)
    return os.open(part, CREATE, 0o600, dir_fd=folder)
