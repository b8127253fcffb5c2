"""Resolves names below a folder's descriptor to a descriptor, never outside of the folder.

There are two resolvers with the same behaviour. ``in_kernel`` uses openat2(2) with ``RESOLVE_BENEATH`` and
``RESOLVE_NO_MAGICLINKS`` (Linux 5.6); ``by_walking`` opens one name at a time and needs only Linux 3.6. Both
return an ``O_PATH`` descriptor, which the caller closes, and follow symbolic links that stay beneath the
folder. They raise ``OSError``: ``EXDEV`` for a path that leads outside (any absolute link, ``..`` above the
root), ``ELOOP`` for more than 40 links, ``EAGAIN`` if folders were moved meanwhile, and the errors of
openat(2).

The walk handles ``..``, which only a link can contain, by opening it and comparing the result with the folder
that it came through. A folder that was moved in between is an ``EAGAIN``, and never a way out.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable
from functools import cache
from typing import Final

Resolver = Callable[[int, tuple[str, ...]], int]

LINKS_FOLLOWED: Final = 40  # the kernel's limit (path_resolution(7))
LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_OPENAT2 = 437  # the same number on every architecture except alpha
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW = _OpenHow(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)


def in_kernel(root: int, parts: tuple[str, ...]) -> int:
    """Resolve with openat2; raises ``ENOSYS`` or ``EPERM`` if the system does not support it."""
    path = os.fsencode("/".join(parts) or ".")
    arguments = (
        ctypes.c_long(_OPENAT2),
        ctypes.c_long(root),
        ctypes.c_char_p(path),
        ctypes.byref(_HOW),
        ctypes.c_size_t(ctypes.sizeof(_HOW)),
    )
    while (found := int(_libc.syscall(*arguments))) < 0:
        if (number := ctypes.get_errno()) != errno.EINTR:
            raise _failed(number)
    return found


def by_walking(root: int, parts: tuple[str, ...]) -> int:
    """Resolve one name at a time, each opened with ``O_NOFOLLOW`` below the previous one."""
    names = list(reversed(parts))
    trail: list[tuple[int, int]] = []  # the folders above the current one
    links = 0
    here = os.open(".", LOOK, dir_fd=root)
    try:
        while names:
            name = names.pop()
            now = os.fstat(here)
            if not stat.S_ISDIR(now.st_mode):
                raise _failed(errno.ENOTDIR)
            if name in ("", "."):
                continue
            if name == ".." and not trail:
                raise _failed(errno.EXDEV)
            there = os.open(name, LOOK, dir_fd=here)
            found = os.fstat(there)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                names += reversed(_target(there, links))
                continue
            os.close(here)
            here = there
            if name != "..":
                trail.append((now.st_dev, now.st_ino))
            elif (found.st_dev, found.st_ino) != trail.pop():
                raise _failed(errno.EAGAIN)
        answer, here = here, -1
        return answer
    finally:
        if here >= 0:
            os.close(here)


def _target(link: int, links: int) -> list[str]:
    try:
        target = os.readlink("", dir_fd=link)
    finally:
        os.close(link)
    if links > LINKS_FOLLOWED:
        raise _failed(errno.ELOOP)
    if target.startswith("/"):
        raise _failed(errno.EXDEV)
    return target.split("/")


@cache
def best() -> Resolver:
    """The resolver for this host: the kernel's, if a test shows that it works."""
    root = os.open("/", LOOK)
    try:
        os.close(in_kernel(root, ()))
    except OSError:
        return by_walking
    else:
        return in_kernel
    finally:
        os.close(root)


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))
