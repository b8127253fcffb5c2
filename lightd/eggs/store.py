"""The imported eggs of a daemon: what is stored, and what may be removed.

1. A version that a container uses is never removed. ``users`` says which those are; ``hold`` reserves a
   version for a container that is being created from it or given it. A version that is about to be removed is
   no longer found, so it can't be held.
2. The number of eggs, of versions of one egg, and the size of all of them are limited. A new version takes
   the place of the oldest one that nobody uses.
3. Importing what is stored already makes no new version, but makes that one the newest.
4. Reading, checking and writing is done in threads. One egg at a time is parsed.
5. What parses eggs is imported when the first one is read: a daemon without eggs does not load it.
"""

import re
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import trio

from actors.kernel.decider import Rejection
from lightd.eggs import version_files
from lightd.eggs.errors import EggError
from lightd.eggs.limits import NO_ID
from lightd.eggs.version_files import Damaged, Entry, Key, Version, VersionFiles

if TYPE_CHECKING:
    from lightd.eggs.egg import Egg
    from lightd.eggs.formats import Import

T = TypeVar("T")

MOST_EGGS: Final = 2000
MOST_VERSIONS: Final = 20
"""Versions of one egg."""
MOST_BYTES: Final = 512 * 1024 * 1024
REMEMBERED: Final = 2 * 1024 * 1024
"""Bytes of the files of eggs that are kept parsed."""
MOST_NAMED: Final = 10
"""Containers that an error names."""

Users = Callable[[str], Mapping[str, Sequence[str]]]
"""The ids of the containers that use an egg, by its versions."""


@attrs.frozen
class Parsed:
    """An egg file that was read: its canonical ``text``, and what it is."""

    found: "Import"
    text: str
    version: str

    @property
    def egg_id(self) -> str:
        """The id that the egg gets if none is given."""
        return to_id(self.found.egg.name)


@attrs.frozen
class Imported:
    """An import: the stored egg, its version, whether that ``is_new``, and what was read."""

    entry: Entry
    version: str
    is_new: bool
    parsed: Parsed


@attrs.frozen
class Stored:
    """A version of an egg, as it is stored."""

    id: str
    version: str
    text: str
    egg: "Egg"


def parse(data: bytes) -> Parsed:
    """Read an egg file; raises ``EggError``. Blocks for up to two seconds."""
    from lightd.eggs import formats  # noqa: PLC0415 - see the module's text

    found = formats.read(data)
    text = formats.write(found.egg)
    try:
        kept = formats.read(text.encode())
    except EggError as error:
        raise EggError(f"the file cannot be written as {formats.FORMATS[-1]}: {error}") from None
    return Parsed(attrs.evolve(found, egg=kept.egg), text, version_files.to_version(text))


def to_id(name: str) -> str:
    """Return the id of an egg with this name: in lower case, with ``-`` between its words."""
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-") or "egg"
    return f"egg-{found}" if found == NO_ID else found


@attrs.define(eq=False)
class EggStore:
    """The stored eggs. ``users`` is set once there is something that can use them."""

    _files: VersionFiles
    _clock: Callable[[], float]
    _entries: dict[str, Entry]
    users: Users = lambda _: {}
    _changing: trio.Lock = attrs.field(factory=trio.Lock)
    _parsing: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    _reading: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(4))
    _held: Counter[Key] = attrs.field(factory=Counter)
    _recent: OrderedDict[Key, Stored] = attrs.field(factory=OrderedDict)

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the eggs, sorted by id."""
        return iter([self._entries[egg_id] for egg_id in sorted(self._entries)])

    def find(self, egg_id: str, version: str | None = None) -> Entry:
        """Return an egg that has this version, if one is named; raises ``Rejection`` (``egg_not_found``)."""
        entry = self._entries.get(egg_id)
        if entry is None:
            raise Rejection("egg_not_found", "no such egg")
        if version is not None and not entry.has(version):
            raise Rejection("egg_not_found", f"the egg {egg_id} has no such version")
        return entry

    async def parse(self, data: bytes) -> Parsed:
        """Read an egg file without storing it; raises ``EggError``."""
        return await trio.to_thread.run_sync(parse, data, limiter=self._parsing)

    async def run(self, work: Callable[[], T]) -> T:
        """Return ``work()``, which needs an egg; it is run in one of a few threads."""
        return await trio.to_thread.run_sync(work, limiter=self._reading)

    async def put(self, data: bytes, egg_id: str | None = None) -> Imported:
        """Store an egg file, as a new version if there is an egg with this id.

        Raises ``EggError``, ``Rejection`` (``too_many_eggs``), and ``OSError``; nothing was changed then.
        """
        parsed = await self.parse(data)
        key = parsed.egg_id if egg_id is None else egg_id
        async with self._changing:
            before = self._entries.get(key)
            size = len(parsed.text.encode())
            added = Version(parsed.version, self._clock(), size)
            there = () if before is None else before.versions
            is_new = all(each.version != added.version for each in there)
            rest = tuple(each for each in there if each.version != added.version)
            dropped = self._to_dropped(key, rest)
            kept = tuple(each for each in rest if each not in dropped)
            self._check_room(before, size if is_new else 0)
            plain = attrs.asdict(parsed.found.egg, recurse=False)
            entry = version_files.to_entry(key, plain, (*kept, added))
            if before is not None:  # what is dropped can't be held from here on
                self._entries[key] = attrs.evolve(
                    before, versions=tuple(v for v in there if v not in dropped)
                )
            write = partial(self._write, entry, parsed, [(key, each.version) for each in dropped])
            try:
                await trio.to_thread.run_sync(write)
            except (OSError, trio.Cancelled):
                if before is not None:
                    self._entries[key] = before
                raise
            self._entries[key] = entry
            for each in dropped:
                self._recent.pop((key, each.version), None)
        return Imported(entry, parsed.version, is_new, parsed)

    async def read(self, egg_id: str, version: str | None = None) -> Stored:
        """Return a version of an egg, the newest if none is named.

        A version that a container uses is found even if the index has lost it. Raises ``Rejection``
        (``egg_not_found``, ``egg_damaged``).
        """
        chosen = self.find(egg_id).newest if version is None else version
        key = (egg_id, chosen)
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        try:
            found = await self.run(partial(self._read, egg_id, chosen))
        except (Damaged, EggError) as error:
            self.find(egg_id, chosen)
            message = f"the egg {egg_id}, version {chosen}, cannot be used: {error}; import it again"
            raise Rejection("egg_damaged", message) from None
        self._remember(found)
        return found

    async def delete(self, egg_id: str) -> None:
        """Remove an egg with all versions; raises ``Rejection`` (``egg_not_found``, ``egg_in_use``)."""
        async with self._changing:
            entry = self.find(egg_id)
            self._check_unused(entry)
            del self._entries[egg_id]  # it can't be held from here on
            keys = [(egg_id, each.version) for each in entry.versions]
            try:
                await trio.to_thread.run_sync(self._remove, keys)
            except (OSError, trio.Cancelled):
                self._entries[egg_id] = entry
                raise
            for key in keys:
                self._recent.pop(key, None)

    @contextmanager
    def hold(self, egg_id: str, version: str) -> Iterator[None]:
        """Keep a version from being removed during the block; raises ``Rejection`` (``egg_not_found``)."""
        self.find(egg_id, version)
        key = (egg_id, version)
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    async def sweep(self) -> None:
        """Remove the files of versions that are neither stored nor used: those of interrupted changes."""
        async with self._changing:
            there = await trio.to_thread.run_sync(self._files.keys)
            stored = {(entry.id, each.version) for entry in self._entries.values() for each in entry.versions}
            left = [
                (egg_id, version)
                for egg_id, version in there - stored
                if not self.users(egg_id).get(version) and (egg_id, version) not in self._held
            ]
            await trio.to_thread.run_sync(self._files.remove, left)

    def _check_unused(self, entry: Entry) -> None:
        users = sorted({each for names in self.users(entry.id).values() for each in names})
        if users:
            more = len(users) - MOST_NAMED
            named = ", ".join(users[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            raise Rejection("egg_in_use", f"the egg {entry.id} is used by: {named}")
        if any(egg_id == entry.id for egg_id, _ in self._held):
            raise Rejection("egg_in_use", f"a container is being created from the egg {entry.id}")

    def _to_dropped(self, egg_id: str, versions: Sequence[Version]) -> list[Version]:
        """Return the versions to remove so that there is room for one more; the oldest unused ones."""
        over = len(versions) + 1 - MOST_VERSIONS
        users = self.users(egg_id)
        unused = [
            each
            for each in versions
            if not users.get(each.version) and (egg_id, each.version) not in self._held
        ]
        if over > len(unused):
            message = f"containers use all {MOST_VERSIONS} versions of the egg {egg_id}: upgrade some"
            raise Rejection("too_many_eggs", message)
        return unused[: max(over, 0)]

    def _check_room(self, before: Entry | None, more: int) -> None:
        if before is None and len(self._entries) >= MOST_EGGS:
            raise Rejection("too_many_eggs", f"there are {MOST_EGGS} eggs already: remove some")
        if sum(entry.size for entry in self._entries.values()) + more > MOST_BYTES:
            raise Rejection("too_many_eggs", f"the eggs would need more than {MOST_BYTES} bytes: remove some")

    def _write(self, entry: Entry, parsed: Parsed, dropped: Sequence[Key]) -> None:
        self._files.put(entry.id, parsed.version, parsed.text)
        try:
            self._files.put_index([*(each for each in self if each.id != entry.id), entry])
        except OSError:
            if not any(each.version == parsed.version for each in self._versions(entry.id)):
                self._files.remove([(entry.id, parsed.version)])
            raise
        self._files.remove(dropped)

    def _versions(self, egg_id: str) -> Sequence[Version]:
        entry = self._entries.get(egg_id)
        return () if entry is None else entry.versions

    def _remove(self, keys: Sequence[Key]) -> None:
        self._files.put_index(self)
        self._files.remove(keys)

    def _read(self, egg_id: str, version: str) -> Stored:
        from lightd.eggs import formats  # noqa: PLC0415 - as above

        text = self._files.read(egg_id, version)
        return Stored(egg_id, version, text, formats.read(text.encode()).egg)

    def _remember(self, found: Stored) -> None:
        self._recent[found.id, found.version] = found
        while sum(len(each.text) for each in self._recent.values()) > REMEMBERED:
            self._recent.popitem(last=False)


@asynccontextmanager
async def open_egg_store(base_path: Path, clock: Callable[[], float]) -> AsyncIterator[EggStore]:
    """Yield the eggs in the daemon's folder. Raises ``OSError`` if their folder cannot be created."""
    files = VersionFiles(base_path / version_files.FOLDER)
    yield EggStore(files, clock, await trio.to_thread.run_sync(files.open))
