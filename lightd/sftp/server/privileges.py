"""What the process of a connection gives up: before its client has logged in, and after.

Before: it keeps three capabilities, which it needs to become the volume's user later, and sees an empty
folder in place of the file system. After: none, and it sees the volume. Without root it enters a user
namespace of its own first, in which the same calls are allowed (user_namespaces(7)).

The process has one thread: capabilities belong to threads (capabilities(7)).
"""

import ctypes
import os
import resource
from typing import Final

NOBODY: Final = 65534
OPEN_FILES: Final = 512
MEMORY: Final = 256 * 1024**2
"""Bytes of private memory that a connection can have; usually it has less than 10 MiB."""
NICENESS: Final = 10
"""Added to the process's nice value: consoles go first."""

_SETGID: Final = 6
_SETUID: Final = 7
_SYS_CHROOT: Final = 18
_LAST: Final = 63
_KEPT: Final = 1 << _SETGID | 1 << _SETUID | 1 << _SYS_CHROOT

_PR_SET_DUMPABLE: Final = 4
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION: Final = 0x20080522
_CLONE_NEWUSER: Final = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    _call("prctl", *map(ctypes.c_ulong, (option, value, 0, 0, 0)))


def _capset(mask: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _call("capset", header, data)


def confine(empty: str) -> None:
    """Give up what is not needed to log in; afterwards the folder ``empty`` is the file system.

    Raises ``OSError``: without root if the kernel does not allow user namespaces.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    is_root = os.geteuid() == 0
    if not is_root:
        _enter_namespace()
    os.chroot(empty)
    os.chdir("/")
    for capability in range(_LAST + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0):
            break  # the kernel knows no more
    if is_root:
        os.setgroups([])
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _capset(_KEPT)
    _prctl(_PR_SET_DUMPABLE, 0)


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:  # noqa: PTH123 - as long as it can
            stream.write(content)


def enter(volume: int, user: str) -> None:
    """Make the folder that ``volume`` is open for the file system, and become ``user`` (``uid:gid``).

    ``volume`` is closed. Raises ``OSError``; then the process must end.
    """
    uid, gid = map(int, user.split(":"))
    os.fchdir(volume)
    os.chroot(".")
    os.chdir("/")
    os.close(volume)
    if (os.geteuid(), os.getegid()) != (uid, gid):
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _capset(0)
    _prctl(_PR_SET_DUMPABLE, 0)
