"""Files that arrive in pieces: written beside their place, put into it by ``commit``.

An upload that has a name may break off and go on. Its part is ``.lightd-<hash>.part`` in the folder of its
path, where the hash is of the path and the upload's name; listings hide it. The client asks for ``offset``,
says where its next piece begins, and says the whole length when it is done:

- a piece may begin anywhere up to ``offset``: what came after is dropped, so a piece may be sent again;
- one that begins beyond is ``InvalidOffset``, and so is a commit whose length isn't what arrived;
- one upload is written by one client at a time (flock(2)); a second one is ``NotAllowed``.

An upload without a name leaves nothing behind when it ends without a commit. Named ones that nobody took up
again are deleted by ``sweep_parts``. A part's name can be guessed, and the tenant may do with a part what he
likes: one that isn't the daemon's, isn't a regular file of a single name any more, or is under a lease, is
thrown away and begun anew.

An upload may have a condition: it is looked at before anything arrives, and again in the moment of the
commit, so that of two clients who change one file one is told.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
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
"""Bytes that the disk may be behind an upload before it's told to begin: so the sync at its end is short."""


@attrs.frozen
class Condition:
    """Which etags the file to be replaced must have, and must not have (RFC 9110, 13.1); ``*`` is any."""

    matches: frozenset[str] | None = None
    differs: frozenset[str] | None = None

    def check(self, folder: int, path: RelativePath) -> None:
        """Raise ``PreconditionFailed`` where what is at ``path``, in ``folder``, doesn't meet it."""
        if self.matches is None and self.differs is None:
            return
        try:
            etag = to_etag(look_at(folder, path.name))
        except FileNotFoundError:
            etag = None
        if self.matches is not None and not _among(self.matches, etag):
            raise errors.PreconditionFailed(f'"{path}" is not, or not any more, the file that was meant')
        if self.differs is not None and _among(self.differs, etag):
            raise errors.PreconditionFailed(f'"{path}" is there already')


def _among(etags: frozenset[str], etag: str | None) -> bool:
    return etag is not None and (ANY in etags or etag in etags)


UNCONDITIONAL = Condition()


@attrs.define(eq=False)
class Upload:
    """A file being sent. Made by ``open_upload``; ``offset`` bytes of it have arrived."""

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
    _begun: int = 0  # up to where the kernel was told to write to the disk
    keep: bool = attrs.field(kw_only=True)  # whether what lies there stays when the block ends

    def begin_at(self, offset: int) -> None:
        """The next piece begins at ``offset``; what had arrived after it is dropped. ``InvalidOffset``."""
        if not 0 <= offset <= self.offset:
            raise errors.InvalidOffset(f'{self.offset} bytes of "{self.path}" have arrived, not {offset}')
        with explained(self.path):
            os.ftruncate(self._file, offset)
        self.offset = self._begun = offset

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """``piece`` stands at ``offset``, which has moved behind it. ``NoSpace`` may leave a part of it."""
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
        """What arrived is the file ``path``, whole and on the disk; ``length``, if known, is what it has.

        Return its etag. Raises ``InvalidOffset``, ``PreconditionFailed``.
        """
        if length is not None and length != self.offset:
            raise errors.InvalidOffset(f'{self.offset} bytes of "{self.path}" have arrived, not {length}')
        with explained(self.path):
            give_to(self._file, self._owner, self._mode)
            os.fsync(self._file)
            with self._placing:
                self._condition.check(self._folder, self.path)
                try:
                    os.rename(self._part, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                except FileNotFoundError:
                    raise errors.NotAllowed(f'What had arrived of "{self.path}" was taken away') from None
        self.keep = True  # under its own name
        return to_etag(os.fstat(self._file))

    def abandon(self) -> None:
        """Nothing of it stays when the block ends, though it has a name."""
        self.keep = False


@contextmanager
def open_upload(
    jail: Jail,
    path: RelativePath,
    owner: Owner | None,
    name: str | None = None,
    condition: Condition = UNCONDITIONAL,
) -> Iterator[Upload]:
    """An upload to ``path``, its folders made; with a ``name``, one that goes on where it broke off.

    Raises ``WrongKind`` where a folder, a link or a special file is, ``NotAllowed`` where another client
    writes the upload of that name, ``PreconditionFailed``.
    """
    with ExitStack() as stack:
        with explained(path):
            folder = stack.enter_context(held(jail.make_folders(path.parent, owner)))
            mode = mode_to_keep(jail, folder, path)
            condition.check(folder, path)
            part = new_part_name() if name is None else _named_part(path, name)
            file = stack.enter_context(held(_open_part(folder, part, path, jail.charge)))
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
            keep=name is not None,
        )
        try:
            yield upload
        finally:
            if not upload.keep:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


def arrived_of(jail: Jail, path: RelativePath, name: str) -> int:
    """How many bytes of the upload ``name`` to ``path`` are there to go on from; 0 where there is none."""
    with explained(path), suppress(FileNotFoundError), held(jail.find_folder(path.parent)) as folder:
        state = look_at(folder, _named_part(path, name))
        return state.st_size if _is_ours(state) else 0
    return 0


def forget(jail: Jail, path: RelativePath, name: str) -> None:
    """Nothing is left of the upload ``name`` to ``path``."""
    with explained(path), suppress(FileNotFoundError), held(jail.find_folder(path.parent)) as folder:
        delete_at(folder, _named_part(path, name), lambda _: None)


def sweep_parts(jail: Jail, before: float, pace: Pace, began: float = 0) -> int:
    """The parts that nobody wrote to since ``before`` (Unix seconds) are gone; return how many those were.

    Of writers that ended before the daemon ``began`` nothing is left but parts that have a name. ``pace`` is
    called at every name; what it raises ends the sweep.
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
    digest = hashlib.sha256(f"{path}\0{name}".encode()).hexdigest()
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
            with suppress(FileNotFoundError):  # put into place while we waited for the lock
                if os.path.samestat(os.fstat(file), look_at(folder, part)):
                    stack.pop_all()
                    return file
    raise errors.NotAllowed(f'The upload to "{path}" keeps changing')


def _is_ours(state: os.stat_result) -> bool:
    return stat.S_ISREG(state.st_mode) and state.st_nlink == 1 and state.st_uid == os.geteuid()


def _reopen_part(folder: int, part: str) -> int:
    """The part that a broken upload left, if it is ours alone; else it is thrown away and begun anew."""
    with suppress(FileNotFoundError), held(os.open(part, LOOK, dir_fd=folder)) as found:
        if _is_ours(os.fstat(found)):
            with suppress(BlockingIOError):  # under a lease
                return os.open(f"/proc/self/fd/{found}", _REOPEN)
        delete_at(folder, part, lambda _: None)
    return os.open(part, CREATE, 0o600, dir_fd=folder)
