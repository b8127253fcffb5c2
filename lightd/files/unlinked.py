"""Measures files that have no name any more, but that processes still use: open, mapped, or as a folder.

A walk through the folders does not find them, but their blocks are only freed after their last use. They are
found through ``/proc`` (proc(5)), and nothing here waits for a tenant or opens a tenant's file:

- A link of ``/proc`` is read first. Only if it says ``(deleted)``, or is too long to be read, ``stat``
  follows it: on another, hanging file system that could wait.
- A file counts if it is on the device of the folder that is measured, and has no name. So a memfd, a file in
  ``/tmp`` and a file with another hard link do not count. An inode counts once.
- Threads can have descriptors of their own (unshare(2)), and a process whose first thread has ended is only
  visible through the others. So each thread is looked at, unless it shares what it has with one that was
  (kcmp(2)).
- Threads that were created meanwhile are looked at too, up to ``ROUNDS`` times. A thread that ends meanwhile
  is left out, also if a new one has its number: that is on the list of the next measurement.
- After ``MOST`` descriptors and mappings the measurement fails: a tenant can have more than can be counted.

Not found: a descriptor that is on its way in a Unix socket or registered with io_uring(7), and one that is
passed from process to process faster than ``/proc`` is read. Without root, processes of other users are left
out.
"""

import ctypes
import errno
import os
import platform
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import suppress
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.charging import Amount

Numbers = Callable[[], Collection[int]]

MOST: Final = 100_000
"""Descriptors and mappings of all processes in one volume. Large game servers have a few thousand."""

ROUNDS: Final = 3

BETWEEN: Final = 500
PAUSE: Final = 0.002
"""``exhaust`` pauses for so many seconds after so many steps, which take about as long."""

_DELETED: Final = " (deleted)"

_KCMP: Final = {"x86_64": 312, "aarch64": 272, "riscv64": 272}.get(platform.machine())
_MEMORY, _DESCRIPTORS, _FOLDERS = 1, 2, 3  # KCMP_VM, KCMP_FILES, KCMP_FS

_libc = ctypes.CDLL(None, use_errno=True)


def survey_unlinked(folder: str, threads: Numbers, own: Numbers = tuple) -> Generator[None, None, Amount]:
    """The bytes and the number of the files without a name on the device of ``folder``.

    ``threads`` returns the ids of the threads that are looked at, ``own`` descriptors of this process. It
    yields after every few system calls. Raises ``NotAllowed`` if there are more than ``MOST`` descriptors and
    mappings.
    """
    survey = _Survey(os.stat(folder).st_dev)
    for descriptor in own():
        yield
        survey.count(f"/proc/self/fd/{descriptor}")
    seen: set[int] = set()
    for _ in range(ROUNDS):
        fresh = set(threads()) - seen
        if not fresh:
            break
        seen |= fresh
        for thread in sorted(fresh):
            yield from survey.look_at(thread)
    return Amount(survey.blocks * 512, len(survey.found))


def exhaust(survey: Generator[None, None, Amount]) -> Amount:
    """The result of a survey that has a thread of its own; it pauses, so that the event loop has its turn."""
    while True:
        try:
            for _ in range(BETWEEN):
                next(survey)
        except StopIteration as end:
            result: Amount = end.value
            return result
        time.sleep(PAUSE)


@attrs.define(eq=False)
class _Survey:
    """What was found on ``device``. ``shared`` has a thread for each table that was read, in kcmp's order."""

    device: int
    blocks: int = 0
    looked: int = 0
    found: set[int] = attrs.field(factory=set)
    shared: dict[int, list[int]] = attrs.field(factory=dict)

    def look_at(self, thread: int) -> Iterator[None]:
        for table, links in ((_DESCRIPTORS, _descriptors), (_FOLDERS, _folders), (_MEMORY, _mappings)):
            yield
            if self._is_new(table, thread):
                with suppress(OSError):  # the thread has ended, or must not be looked at
                    for link in links(f"/proc/{thread}"):
                        self.count(link)
                        yield

    def _is_new(self, table: int, thread: int) -> bool:
        """Whether the thread shares this table with none that was looked at, as far as the kernel says."""
        known = self.shared.setdefault(table, [])
        low, high = 0, len(known)
        while low < high:
            middle = (low + high) // 2
            order = _compare(known[middle], thread, table)
            if order == 0:
                return False
            if order not in (1, 2):
                return True
            low, high = (middle + 1, high) if order == 1 else (low, middle)
        known.insert(low, thread)
        return True

    def count(self, link: str | None) -> None:
        self.looked += 1
        if self.looked > MOST:
            raise errors.NotAllowed(
                f"The volume cannot be measured, because its servers have more than {MOST} files open"
            )
        if link is None or not _may_be_unlinked(link):
            return
        with suppress(OSError):
            state = os.stat(link)
            if (state.st_dev, state.st_nlink) == (self.device, 0) and state.st_ino not in self.found:
                self.found.add(state.st_ino)
                self.blocks += state.st_blocks


def _may_be_unlinked(link: str) -> bool:
    try:
        return os.readlink(link).endswith(_DELETED)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG  # the path of the file is longer than a page


def _descriptors(process: str) -> Iterator[str]:
    with os.scandir(f"{process}/fd") as entries:
        for entry in entries:
            yield entry.path


def _folders(process: str) -> Iterator[str]:
    yield f"{process}/cwd"


def _mappings(process: str) -> Iterator[str | None]:
    """The program, and the link of each mapping of a file without a name; None for other mappings."""
    yield f"{process}/exe"
    with open(f"{process}/maps", "rb") as lines:
        for line in lines:
            if line.endswith(b" (deleted)\n"):
                begin, end = (int(number, 16) for number in line.split(maxsplit=1)[0].split(b"-"))
                yield f"{process}/map_files/{begin:x}-{end:x}"
            else:
                yield None


def _compare(one: int, other: int, table: int) -> int:
    """0 if the threads share the table, 1 or 2 for the order of their tables, else it is not known."""
    if _KCMP is None:
        return -1
    arguments = (ctypes.c_long(number) for number in (_KCMP, one, other, table, 0, 0))
    return int(_libc.syscall(*arguments))
