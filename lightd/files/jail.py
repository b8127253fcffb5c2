"""The jail: every path of a tenant is resolved beneath the descriptor of the volume's folder.

The tenant owns everything in the volume, is root in the container, and changes it at the same time.
Therefore:

- A path is resolved once, to a descriptor (``lightd.files.resolve``), and everything else uses that
  descriptor. Nothing is checked by name and then used by name, because the tenant could replace it in
  between. A symbolic link that stays in the volume is followed; one that leads out raises ``InvalidPath``,
  whatever its target is.
- A file is held with ``O_PATH``: that opens no FIFO and no device, which in a volume on the host's disk
  would be a device of the *host*. Only a regular file or a folder is then opened.
- No open waits for a tenant. A lease on a file, fcntl(2), would delay it for 45 seconds
  (``/proc/sys/fs/lease-break-time``): with ``O_NONBLOCK`` it fails at once. Only an open breaks a lease; a
  rename, a deletion and a change of mode or owner do not, and ``O_PATH`` opens nothing.
- Folders are created below a descriptor, and never through a dangling link.
- Files are replaced by a rename (``lightd.files.placing``), never overwritten in place.
- A jail for a client has the deny list of the volume (``lightd.files.denying``). It is compared with the path
  that was given and with the path at which the descriptor is, so that no link leads around it. The server can
  rename what it wants meanwhile: the list holds back clients, not programs in the volume.

Everything blocks: call it in a worker thread. One ``Jail`` can be used by many threads.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

import attrs

from lightd.files import errors, resolve
from lightd.files.charging import ENTRY, Charge, free
from lightd.files.denying import NOTHING_DENIED, DenyList
from lightd.files.paths import RelativePath

FOLDER_MODE: Final = 0o755
PERMISSIONS: Final = 0o777  # all bits that a client can set: no set-id bit, no sticky bit

_DELETED: Final = " (deleted)"  # what the kernel adds to the path of a descriptor whose last name is gone

TRIES: Final = 32  # attempts for a path that the tenant renames while it is resolved

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


Guard = AbstractContextManager[Any]  # a lock between threads


@attrs.frozen
class Owner:
    """The owner of a file, as ids of the host."""

    uid: int
    gid: int

    @classmethod
    def from_user(cls, user: str) -> "Owner":
        """The owner for ``uid:gid``; without a gid it is 0, as in Docker."""
        uid, _, gid = user.partition(":")
        return cls(int(uid), int(gid or 0))

    def has(self, state: os.stat_result) -> bool:
        return (state.st_uid, state.st_gid) == (self.uid, self.gid)


@attrs.define(eq=False)
class OpenFiles:
    """The files of one volume that are open for a client: a tenant can delete them, and they take room still.

    ``descriptors`` can be read by any thread.
    """

    descriptors: set[int] = attrs.field(factory=set)

    @contextmanager
    def held(self, descriptor: int) -> Iterator[int]:
        """As the function ``held``, for a descriptor that is listed during the block."""
        with held(descriptor):
            self.descriptors.add(descriptor)
            try:
                yield descriptor
            finally:
                self.descriptors.discard(descriptor)


@attrs.frozen(eq=False)
class Jail:
    """A folder that no path leads out of, opened by ``open_jail``. Callers close returned descriptors.

    ``placing`` is locked from the last check of a rename's target to the rename: of two conditional writes
    one succeeds. It does not lock out the tenant. ``pace`` is called for every name if there are many, and
    for each parent folder that is created; ``charge`` before anything is added (``charging``).
    """

    root: int
    resolver: resolve.Resolver
    placing: Guard = attrs.field(factory=threading.Lock)
    pace: Callable[[int], None] = lambda _: None
    charge: Charge = free
    open_files: OpenFiles = attrs.field(factory=OpenFiles)
    denied: DenyList = NOTHING_DENIED

    def owner(self) -> Owner:
        """The owner of the volume's folder: the server's user, if it was given to it already."""
        state = os.fstat(self.root)
        return Owner(state.st_uid, state.st_gid)

    def find(self, path: RelativePath) -> int:
        """An ``O_PATH`` descriptor of the file at ``path``; links that stay inside are followed.

        Raises ``Denied``.
        """
        for _ in range(TRIES):
            try:
                found = self.resolver(self.root, path.parts)
            except BlockingIOError:  # EAGAIN: a folder in the path was moved
                continue
            except OSError:
                self.denied.check(path.parts, folder=False)
                raise
            try:
                self.check(found, path)
            except BaseException:
                os.close(found)
                raise
            return found
        raise errors.NotAllowed(f'A parent folder of "{path}" keeps changing')

    def check(self, found: int, path: RelativePath) -> None:
        """Raise ``Denied`` if what ``found`` is open for, as ``path``, is denied."""
        if self.denied:
            folder = stat.S_ISDIR(os.fstat(found).st_mode)
            self.denied.check(path.parts, folder=folder)
            self.denied.check(self.place_of(found), folder=folder)

    def check_name(self, above: int, path: RelativePath, *, folder: bool | None = None) -> None:
        """Raise ``Denied`` if the last name of ``path``, in the folder ``above``, is denied.

        ``folder`` says whether what gets the name is one. What has the name now counts, too; a link is none.
        """
        if not self.denied:
            return
        kinds = {folder is True}
        with suppress(FileNotFoundError):
            there = stat.S_ISDIR(look_at(above, path.name).st_mode)
            kinds = {there} if folder is None else {there, folder}
        place = (*self.place_of(above), path.name)
        for kind in kinds:
            self.denied.check(path.parts, folder=kind)
            self.denied.check(place, folder=kind)

    def place_of(self, found: int) -> tuple[str, ...]:
        """The names on the way from the root to what ``found`` is open for, as they are now.

        Raises ``NotAllowed`` if it is not in the volume any more.
        """
        root, here = (os.readlink(f"/proc/self/fd/{each}") for each in (self.root, found))
        if here == root:
            return ()
        if not here.startswith(f"{root}/") or (here.endswith(_DELETED) and not os.fstat(found).st_nlink):
            raise errors.NotAllowed("A folder of the path was moved or deleted meanwhile")
        return tuple(here.removeprefix(f"{root}/").split("/"))

    def find_folder(self, path: RelativePath) -> int:
        """Like ``find``, for a folder; anything else raises ``ENOTDIR``."""
        found = self.find(path)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            return found
        os.close(found)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def make_folders(self, path: RelativePath, owner: Owner | None) -> int:
        """Like ``find_folder``; missing folders in the path are created for ``owner``."""
        missing: list[str] = []
        here = self._deepest(path, missing)
        while missing:
            with held(here) as above:
                self.pace(0)
                if self.denied:
                    self.check_name(above, _to_prefix(path, missing), folder=True)
                self.charge(ENTRY, 1)
                here = make_folder_at(above, missing.pop(), owner)
        return here

    def _deepest(self, path: RelativePath, missing: list[str]) -> int:
        while True:
            try:
                return self.find_folder(path)
            except FileNotFoundError:
                if not path.parts:
                    raise  # the volume itself is missing
                missing.append(path.name)
                path = path.parent


def _to_prefix(path: RelativePath, missing: Sequence[str]) -> RelativePath:
    """The first folder of ``path`` that is missing; ``missing`` are the names of all, the first one last."""
    return RelativePath(path.parts[: len(path.parts) - len(missing) + 1])


@contextmanager
def open_jail(
    folder: str | os.PathLike[str],
    resolver: resolve.Resolver | None = None,
    placing: Guard | None = None,
    pace: Callable[[int], None] = lambda _: None,
    charge: Charge = free,
    open_files: OpenFiles | None = None,
    denied: DenyList = NOTHING_DENIED,
) -> Iterator[Jail]:
    """Open the jail of the host's ``folder``, which must not be a link itself. Raises ``NotFound``."""
    try:
        root = os.open(folder, resolve.LOOK | os.O_DIRECTORY)
    except OSError:
        raise errors.NotFound(
            "The volume's folder is missing: mount its disk, or restore the folder"
        ) from None
    with held(root):
        best, lock = resolver or resolve.best(), placing or threading.Lock()
        yield Jail(root, best, lock, pace, charge, open_files or OpenFiles(), denied)


@contextmanager
def held(descriptor: int) -> Iterator[int]:
    """``descriptor``, which is closed at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: RelativePath) -> Iterator[None]:
    """Turn an ``OSError`` about ``path`` into a ``FileRefused`` that names it."""
    try:
        yield
    except OSError as error:
        raise to_refusal(error, path) from None


def to_refusal(error: OSError, path: RelativePath) -> Exception:
    """The refusal for ``error``; an error that does not concern a client is returned unchanged."""
    match error.errno:
        case errno.EXDEV:
            return errors.InvalidPath(errors.ESCAPES)
        case errno.ENAMETOOLONG | errno.EINVAL | errno.EILSEQ:
            return errors.InvalidPath(f'Invalid path: the file system does not support the name "{path}"')
        case errno.ENOENT | errno.ESTALE:
            return errors.NotFound(f'"{path}" does not exist in the volume')
        case errno.EEXIST | errno.ENOTEMPTY:
            return errors.Exists(f'"{path}" exists already')
        case errno.ENOTDIR:
            return errors.WrongKind(f'"{path}" is not a folder, or a parent of it is a file')
        case errno.EISDIR:
            return errors.WrongKind(f'"{path}" is a folder')
        case errno.ELOOP:
            return errors.WrongKind(f'"{path}" leads through too many symbolic links')
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EMLINK:
            return errors.NoSpace(
                f'The volume is full: "{path}" cannot be written; delete files, or enlarge the volume'
            )
        case errno.EPERM | errno.EACCES | errno.EROFS | errno.EBUSY | errno.ETXTBSY:
            return errors.NotAllowed(f'Access to "{path}" is not allowed')
        case errno.EAGAIN:
            return errors.NotAllowed(f'"{path}" keeps changing')
        case _:
            return error


def open_contents(found: int, path: RelativePath) -> int:
    """A descriptor for reading the regular file ``found`` (``O_PATH``).

    Raises ``WrongKind`` for other files, ``InUse`` if a program holds a lease on it.
    """
    mode = os.fstat(found).st_mode
    if not stat.S_ISREG(mode):
        raise errors.WrongKind(f'"{path}" is a {kind_of(mode)}, not a file')
    try:
        return os.open(f"/proc/self/fd/{found}", _READ)  # a link of the kernel, to the file that was checked
    except BlockingIOError:
        raise errors.InUse(f'A program of the server holds a lease on "{path}"') from None


def open_names(found: int) -> int:
    """A descriptor for listing the folder ``found`` (``O_PATH``)."""
    return os.open(".", FOLDER, dir_fd=found)


def look_at(folder: int, name: str) -> os.stat_result:
    """The state of ``name`` in ``folder`` itself; a link is not followed."""
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def make_folder_at(above: int, name: str, owner: Owner | None) -> int:
    """An ``O_PATH`` descriptor of the folder ``name`` in ``above``, which is created if it does not exist.

    Raises ``ENOTDIR`` if something else has the name, also a link to a folder.
    """
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        return os.open(name, resolve.LOOK | os.O_DIRECTORY, dir_fd=above)
    with held(os.open(name, FOLDER, dir_fd=above)) as made:
        give_to(made, owner, FOLDER_MODE)
        return os.open(".", resolve.LOOK, dir_fd=made)


def give_to(descriptor: int, owner: Owner | None, mode: int) -> None:
    """Set owner, then mode: a change of the owner can remove permissions, and must not leave a set-id bit."""
    if owner is not None:
        os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, mode & PERMISSIONS)


def kind_of(mode: int) -> str:
    """The type of a file with ``mode``, in words."""
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "special file"
