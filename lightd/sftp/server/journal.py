"""What one session may do and has done: room in the volume, the deny list, and the report to the daemon."""

import errno
import json
import os
from collections.abc import Sequence
from typing import Final

import attrs

from lightd.files.denying import NOTHING_DENIED, DenyList
from lightd.files.errors import Denied
from lightd.sftp import wire
from lightd.sftp.server.link import Link

LEASE: Final = 1 << 20
"""Bytes that are reserved at a time."""
NAMES: Final = 32
"""Entries that are reserved at a time."""
ENTRY: Final = 4096 + 512
"""Bytes that a name takes: see ``lightd.files.charging``."""
MOST_TOLD: Final = 100
"""Changes of one second that are reported one by one."""
PATH: Final = 300
"""Characters of a path in a report."""
LONGEST: Final = wire.LONGEST // 2
"""Bytes of the changes in a report, in JSON without characters beyond ASCII: they are less with them."""


@attrs.define(eq=False)
class Journal:
    """See the module. Counts are of what was not reported yet."""

    _link: Link
    deny: DenyList = NOTHING_DENIED
    read_only: bool = True
    limit: int | None = None
    used: int | None = None
    counted: bool = False
    _bytes: int = 0
    _entries: int = 0
    _done: list[tuple[str, str, str]] = attrs.field(factory=list)
    _size: int = 0
    _more: int = 0
    _read: int = 0
    _written: int = 0
    _files: int = 0

    def take_on(self, accepted: wire.Accepted) -> None:
        """Be bound by what the daemon said."""
        self.read_only = accepted.read_only
        self.limit, self.used, self.counted = accepted.limit, accepted.used, accepted.counted
        self.denied(accepted.denied)

    def denied(self, lists: Sequence[tuple[str, ...]]) -> None:
        """Deny what these lists match."""
        self.deny = DenyList.of(lists)

    def check_writable(self) -> None:
        """Raise ``EROFS`` if this session may only read."""
        if self.read_only:
            raise OSError(errno.EROFS, "this login can only read")

    def check(self, path: bytes, *, folder: bool = False) -> None:
        """Raise ``EACCES`` if the path, absolute and without links, is on the deny list."""
        if self.deny:
            parts = tuple(filter(None, os.fsdecode(path).split("/")))
            try:
                self.deny.check(parts, folder=folder)
            except Denied:
                raise OSError(errno.EACCES, "it is on the deny list of the server") from None

    async def charge(self, count: int, entries: int = 0) -> None:
        """Have room for ``count`` bytes and ``entries`` names; raises ``ENOSPC``.

        What is left of an earlier reservation is given up when another one is made.
        """
        count = count + entries * ENTRY if self.counted else 0
        if count <= self._bytes and entries <= self._entries:
            self._bytes -= count
            self._entries -= entries
            return
        for more in (True, False):
            wanted = wire.Charge(count + LEASE * (more and self.counted), entries + NAMES * more)
            answer, _ = await self._link.ask(wanted)
            if isinstance(answer, wire.Granted) and answer.granted:
                self._bytes, self._entries = wanted.bytes - count, wanted.entries - entries
                return
        self._bytes = self._entries = 0
        raise OSError(errno.ENOSPC, "the volume is full: delete files, or enlarge it")

    def note(self, verb: str, path: bytes, other: bytes = b"") -> None:
        """Note a change for the audit."""
        change = (verb, _to_text(path), _to_text(other))
        size = sum(len(json.dumps(text)) for text in change)
        if len(self._done) < MOST_TOLD and self._size + size <= LONGEST:
            self._done.append(change)
            self._size += size
        else:
            self._more += 1

    def transferred(self, *, read: int = 0, written: int = 0, files: int = 0) -> None:
        """Count bytes and files."""
        self._read += read
        self._written += written
        self._files += files

    def report(self, link: Link) -> None:
        """Tell the daemon what happened since the last report; without a daemon that waits."""
        if not (self._done or self._more or self._read or self._written or self._files):
            return
        report = wire.Report(tuple(self._done), self._more, self._read, self._written, self._files)
        if link.tell(report):
            self._done.clear()
            self._size = self._more = self._read = self._written = self._files = 0


def _to_text(path: bytes) -> str:
    text = path.decode("utf-8", "replace")
    return text if len(text) <= PATH else f"{text[:PATH]}…"
