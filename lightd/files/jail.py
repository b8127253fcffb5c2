"""The jail: every path of a tenant is resolved beneath the descriptor of his volume's folder.

The tenant owns all that is in the volume, is root in his container, and changes it while we look. So:

- A path is resolved once, to a descriptor (``lightd.files.resolve``), and what follows goes through that
  descriptor. Nothing is checked by name and then used by name: a name checked is a name swapped. A
  symbolic link that stays in the volume is followed; one that leads out is ``InvalidPath``, wherever to.
- What is found is held with ``O_PATH``: that opens no FIFO and no device, which in a volume on the host's
  disk would be the *host's* device. Only a regular file or a folder is then opened for its contents.
- No open waits for a tenant. A lease on a file, fcntl(2), would hold one for 45 seconds
  (``/proc/sys/fs/lease-break-time``): with ``O_NONBLOCK`` it fails at once. Only opens break leases; a
  rename, a deletion and a change of mode or owner don't, and ``O_PATH`` opens nothing.
- Folders are made below a descriptor, and never through a link that leads nowhere.
- Files are put into place by renaming (``lightd.files.placing``), never written where they stand.

Everything blocks: call it in a worker thread. One ``Jail`` may serve many threads.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import attrs

from lightd.files import errors, resolve
from lightd.files.charging import ENTRY, Charge, free
from lightd.files.paths import RelativePath

FOLDER_MODE: Final = 0o755
PERMISSIONS: Final = 0o777  # all that a client may set: no set-id bit, no sticky bit

TRIES: Final = 32  # for a path that the tenant renames while it is resolved

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


Guard = AbstractContextManager[Any]  # a lock between threads


@attrs.frozen
class Owner:
    """Whom a file belongs to, in the host's numbers."""

    uid: int
    gid: int

    @classmethod
    def from_user(cls, user: str) -> "Owner":
        """The owner that ``uid:gid`` names; without a gid it is 0, as in Docker."""
        uid, _, gid = user.partition(":")
        return cls(int(uid), int(gid or 0))

    def has(self, state: os.stat_result) -> bool:
        return (state.st_uid, state.st_gid) == (self.uid, self.gid)


@attrs.frozen(eq=False)
class Jail:
    """A folder that nothing leaves. Made by ``open_jail``; descriptors it gives are closed by who asked.

    ``placing`` is held from the last look at what a rename replaces to the rename: of two conditional writes
    one wins. It doesn't keep the tenant out. ``pace`` is called at every name where many are looked at, and
    for each folder that is made on a way; ``charge`` before anything is added (``charging``).
    """

    root: int
    resolver: resolve.Resolver
    placing: Guard = attrs.field(factory=threading.Lock)
    pace: Callable[[int], None] = lambda _: None
    charge: Charge = free

    def owner(self) -> Owner:
        """Whom the folder itself belongs to: the server's user, once it was handed over to it."""
        state = os.fstat(self.root)
        return Owner(state.st_uid, state.st_gid)

    def find(self, path: RelativePath) -> int:
        """An ``O_PATH`` descriptor of what ``path`` leads to, links that stay inside followed."""
        for _ in range(TRIES):
            try:
                return self.resolver(self.root, path.parts)
            except BlockingIOError:  # EAGAIN: a folder on the way was moved
                continue
        raise errors.NotAllowed(f'The way to "{path}" keeps changing')

    def find_folder(self, path: RelativePath) -> int:
        """As ``find``, for a folder; another kind raises ``ENOTDIR``."""
        found = self.find(path)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            return found
        os.close(found)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def make_folders(self, path: RelativePath, owner: Owner | None) -> int:
        """As ``find_folder``, with what is missing on the way made first, for ``owner``."""
        missing: list[str] = []
        here = self._deepest(path, missing)
        while missing:
            with held(here) as above:
                self.pace(0)
                self.charge(ENTRY, 1)
                here = make_folder_at(above, missing.pop(), owner)
        return here

    def _deepest(self, path: RelativePath, missing: list[str]) -> int:
        while True:
            try:
                return self.find_folder(path)
            except FileNotFoundError:
                if not path.parts:
                    raise  # the volume itself is gone
                missing.append(path.name)
                path = path.parent


@contextmanager
def open_jail(
    folder: str | os.PathLike[str],
    resolver: resolve.Resolver | None = None,
    placing: Guard | None = None,
    pace: Callable[[int], None] = lambda _: None,
    charge: Charge = free,
) -> Iterator[Jail]:
    """The jail of the host's ``folder``, which must not be a link itself. Raises ``NotFound``."""
    try:
        root = os.open(folder, resolve.LOOK | os.O_DIRECTORY)
    except OSError:
        raise errors.NotFound("The volume's folder is missing") from None
    with held(root):
        yield Jail(root, resolver or resolve.best(), placing or threading.Lock(), pace, charge)


@contextmanager
def held(descriptor: int) -> Iterator[int]:
    """``descriptor``, closed at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: RelativePath) -> Iterator[None]:
    """What the system refuses at ``path`` comes out as a ``FileRefused`` that names it."""
    try:
        yield
    except OSError as error:
        raise to_refusal(error, path) from None


def to_refusal(error: OSError, path: RelativePath) -> Exception:
    """The refusal that ``error`` means; an error that is no answer to a client is given back as it is."""
    match error.errno:
        case errno.EXDEV:
            return errors.InvalidPath(errors.ESCAPES)
        case errno.ENAMETOOLONG | errno.EINVAL | errno.EILSEQ:
            return errors.InvalidPath(f'Invalid path: the volume can\'t hold the name "{path}"')
        case errno.ENOENT | errno.ESTALE:
            return errors.NotFound(f'There is no "{path}" in the volume')
        case errno.EEXIST | errno.ENOTEMPTY:
            return errors.Exists(f'"{path}" exists already')
        case errno.ENOTDIR:
            return errors.WrongKind(f'"{path}" is not a folder, or leads through a file')
        case errno.EISDIR:
            return errors.WrongKind(f'"{path}" is a folder')
        case errno.ELOOP:
            return errors.WrongKind(f'"{path}" leads through too many symbolic links')
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EMLINK:
            return errors.NoSpace(f'The volume is full: "{path}" has no room')
        case errno.EPERM | errno.EACCES | errno.EROFS | errno.EBUSY | errno.ETXTBSY:
            return errors.NotAllowed(f'"{path}" may not be touched')
        case errno.EAGAIN:
            return errors.NotAllowed(f'"{path}" keeps changing')
        case _:
            return error


def open_contents(found: int, path: RelativePath) -> int:
    """A descriptor to read the regular file ``found`` (``O_PATH``) with.

    Raises ``WrongKind`` for what is none, ``InUse`` where a program has a lease on it.
    """
    mode = os.fstat(found).st_mode
    if not stat.S_ISREG(mode):
        raise errors.WrongKind(f'"{path}" is a {kind_of(mode)}, not a file')
    try:
        return os.open(f"/proc/self/fd/{found}", _READ)  # our own link, to just what was looked at
    except BlockingIOError:
        raise errors.InUse(f'A program of the server holds "{path}" under a lease') from None


def open_names(found: int) -> int:
    """A descriptor to list the folder ``found`` (``O_PATH``) with."""
    return os.open(".", FOLDER, dir_fd=found)


def look_at(folder: int, name: str) -> os.stat_result:
    """The state of ``name`` in ``folder`` itself, a link not followed."""
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def make_folder_at(above: int, name: str, owner: Owner | None) -> int:
    """An ``O_PATH`` descriptor of the folder ``name``, made in ``above`` unless it is one already.

    ``ENOTDIR`` where the name is taken by something else, a link to a folder too.
    """
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        return os.open(name, resolve.LOOK | os.O_DIRECTORY, dir_fd=above)
    with held(os.open(name, FOLDER, dir_fd=above)) as made:
        give_to(made, owner, FOLDER_MODE)
        return os.open(".", resolve.LOOK, dir_fd=made)


def give_to(descriptor: int, owner: Owner | None, mode: int) -> None:
    """Owner first: a change of owner may take permissions away, and must not leave a set-id bit."""
    if owner is not None:
        os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, mode & PERMISSIONS)


def kind_of(mode: int) -> str:
    """What a person calls a file of ``mode``."""
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "special file"
