"""The console log on disk: a folder with two files for each container.

A third file has the log of the last installation; it is replaced as a whole.

Each container's lines are appended to ``console.log``; at ``FILE`` bytes it is renamed to ``console.log.1``,
replacing the previous one. So a log takes at most twice that, and keeps at least the last ``FILE`` bytes. A
file is open only while it is written or read. Nothing is synced: what was written survives the end of the
process; a power failure can lose the last seconds. An interrupted write is cut off before the next one.

The work is done in threads, one at a time.
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import attrs
import trio

from actors.container.console.log import Entry, InstallLog, LogUnavailable, Numbered, Tail
from lightd.consoles.installations import from_installation, to_installation
from lightd.consoles.records import to_lines, to_records, to_tail

T = TypeVar("T")

FILE: Final = 2 * 1024 * 1024
END: Final = 256 * 1024
"""Bytes at the end of a log that are searched first for its last run; if it is not there, all are read."""

NEW: Final = "console.log"
OLD: Final = "console.log.1"
INSTALL: Final = "install.json"
UNFINISHED: Final = "install.json.new"
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.define(eq=False)
class LogEnd:
    """The end of one container's log: the size of its newer file, and its last line number."""

    size: int
    last: int


@attrs.define(eq=False)
class DiskConsoleLog:
    """See ``ConsoleLog``; its folders are below ``root``."""

    root: Path
    bound: int = FILE
    _ends: dict[str, LogEnd] = attrs.field(factory=dict)
    _turn: threading.Lock = attrs.field(factory=threading.Lock)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(2))

    async def restore(self, internal_id: str) -> Tail:
        """See ``ConsoleLog.restore``."""
        return await self._in_thread(lambda: self._restore(internal_id))

    async def append(self, entries: Sequence[Entry]) -> Mapping[str, str]:
        """See ``ConsoleLog.append``."""
        return await self._in_thread(lambda: self._append_all(entries))

    async def read(self, internal_id: str, before: int, limit: int) -> Sequence[Numbered]:
        """See ``ConsoleLog.read``."""
        return await self._in_thread(lambda: to_lines(self._content(internal_id), before, limit))

    async def keep_installation(self, internal_id: str, log: InstallLog) -> None:
        """See ``ConsoleLog.keep_installation``."""
        await self._in_thread(lambda: self._keep_installation(internal_id, log))

    async def installation(self, internal_id: str) -> InstallLog | None:
        """See ``ConsoleLog.installation``."""
        return await self._in_thread(lambda: self._installation(internal_id))

    async def remove(self, internal_id: str) -> None:
        """See ``ConsoleLog.remove``."""
        await self._in_thread(lambda: self._remove(internal_id))

    async def sweep(self, keep: Collection[str]) -> None:
        """See ``ConsoleLog.sweep``."""
        await self._in_thread(lambda: self._sweep(keep))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread, one at a time; a cancelled caller does not stop it."""

        def in_turn() -> T:
            with self._turn:
                return work()

        try:
            return await trio.to_thread.run_sync(in_turn, limiter=self._limiter, abandon_on_cancel=True)
        except OSError as error:
            raise LogUnavailable(error.strerror or str(error)) from None

    # ---- in a thread, one at a time

    def _restore(self, internal_id: str) -> Tail:
        folder = self.root / internal_id
        data = _read(folder / NEW, END)
        if len(data) < END:
            data = _read(folder / OLD, END - len(data)) + data
        tail = to_tail(data)
        return tail if tail.life else to_tail(self._content(internal_id))  # perhaps the whole log is one run

    def _content(self, internal_id: str) -> bytes:
        folder = self.root / internal_id
        return _read(folder / OLD) + _read(folder / NEW)

    def _append_all(self, entries: Sequence[Entry]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for entry in entries:
            if entry.internal_id not in failed:
                try:
                    self._append(entry)
                except OSError as error:
                    self._ends.pop(entry.internal_id, None)
                    failed[entry.internal_id] = error.strerror or str(error)
        return failed

    def _append(self, entry: Entry) -> None:
        folder = self.root / entry.internal_id
        end = self._ends.get(entry.internal_id) or self._find_end(entry.internal_id)
        self._ends[entry.internal_id] = end
        new = entry.after(end.last)
        if new is None:
            return
        data = to_records(new)
        if end.size and end.size + len(data) > self.bound:
            os.replace(folder / NEW, folder / OLD)  # noqa: PTH105 - with the rest of os
            end.size = 0
        file = os.open(folder / NEW, _APPEND, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, end.size)
            raise
        finally:
            os.close(file)
        end.size += len(data)
        end.last = new.last

    def _find_end(self, internal_id: str) -> LogEnd:
        """Return the end of a log; creates its folder and cuts off an incomplete record."""
        folder = self.root / internal_id
        for path in (self.root, folder):
            path.mkdir(mode=0o700, exist_ok=True)
        file = os.open(folder / NEW, _APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            whole = _whole(file, size)
            if whole != size:
                os.ftruncate(file, whole)
        finally:
            os.close(file)
        return LogEnd(whole, self._restore(internal_id).last)

    def _keep_installation(self, internal_id: str, log: InstallLog) -> None:
        folder = self.root / internal_id
        for path in (self.root, folder):
            path.mkdir(mode=0o700, exist_ok=True)
        file = os.open(folder / UNFINISHED, _WRITE, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(from_installation(log))
        os.replace(folder / UNFINISHED, folder / INSTALL)  # noqa: PTH105 - with the rest of os

    def _installation(self, internal_id: str) -> InstallLog | None:
        try:
            file = os.open(self.root / internal_id / INSTALL, _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(file, "rb") as stream:
            return to_installation(stream.read())

    def _remove(self, internal_id: str) -> None:
        self._ends.pop(internal_id, None)
        folder = self.root / internal_id
        for name in (OLD, NEW, INSTALL, UNFINISHED):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # it does not exist, or contains other files
            folder.rmdir()

    def _sweep(self, keep: Collection[str]) -> None:
        if self.root.is_dir():
            for folder in self.root.iterdir():
                if folder.name not in keep and folder.is_dir():
                    self._remove(folder.name)


def _whole(file: int, size: int) -> int:
    """Return the position where the last complete record of a file ends."""
    end = size
    while end:
        start = max(end - END, 0)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _read(path: Path, bound: int | None = None) -> bytes:
    """Return a file, or the records in its last ``bound`` bytes; empty if it does not exist."""
    try:
        file = os.open(path, _READ)
    except FileNotFoundError:
        return b""
    with os.fdopen(file, "rb") as stream:
        size = os.fstat(file).st_size
        if bound is None or size <= bound:
            data = stream.read()
        else:
            stream.seek(size - bound)
            data = stream.read(bound)
            data = data[data.find(b"\n") + 1 :]
    return data[: data.rfind(b"\n") + 1]
