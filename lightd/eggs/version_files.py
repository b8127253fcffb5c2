"""The files of imported eggs: one for each version, and an index.

1. A version is the text of an egg in the format PLCN_v3; its name is the beginning of the text's SHA-256. Its
   file never changes, and is read only if its content still has that digest.
2. A file is written beside its place, synced, and renamed. A version is written before the index names it,
   and removed after the index has ceased to. A version that the index does not name is left from one of both.
3. An index that cannot be read is made again from the versions.

Everything here blocks: call it in a worker thread.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from lightd.eggs.limits import ID, VERSION

logger = logging.getLogger(__name__)

FOLDER: Final = "eggs"
LONGEST_SUMMARY: Final = 200
"""Characters of a name, an author or a description that the index has."""
MOST_TAGS: Final = 20

_INDEX: Final = "index.json"
_UNFINISHED: Final = ".part"
_NAME: Final = re.compile(rf"({ID.pattern})@({VERSION.pattern})\.json")

Key = tuple[str, str]
"""The id of an egg and one of its versions."""


class Damaged(Exception):  # noqa: N818 - what is said of a file
    """A version's file is missing, or has another content than the one it was written with."""


@attrs.frozen
class Version:
    """A stored version: ``imported_at`` is in Unix seconds, ``size`` in bytes."""

    version: str
    imported_at: float
    size: int


@attrs.frozen
class Entry:
    """An egg in the store. ``versions`` are in the order of their imports; the last one is the newest.

    The other fields are those of its newest version, shortened.
    """

    id: str
    name: str
    author: str
    description: str
    tags: tuple[str, ...]
    versions: tuple[Version, ...]

    @property
    def newest(self) -> str:
        """The version that is used where none is named."""
        return self.versions[-1].version

    @property
    def size(self) -> int:
        """The bytes of all versions."""
        return sum(each.size for each in self.versions)

    def has(self, version: str) -> bool:
        """Return whether the egg has this version."""
        return any(each.version == version for each in self.versions)


def to_version(text: str) -> str:
    """Return the version that an egg with this text is."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_entry(egg_id: str, plain: Mapping[str, Any], versions: Iterable[Version]) -> Entry:
    """Return the entry of an egg with the fields ``plain``, which are those of a file."""
    name, author, description = (
        str(plain.get(field) or "")[:LONGEST_SUMMARY] for field in ("name", "author", "description")
    )
    tags = [str(tag)[:LONGEST_SUMMARY] for tag in plain.get("tags") or ()][:MOST_TAGS]
    return Entry(egg_id, name, author, description, tuple(tags), tuple(versions))


@attrs.frozen
class VersionFiles:
    """The files in ``folder``."""

    folder: Path

    def open(self) -> dict[str, Entry]:
        """Create the folder if it is missing, and return what is stored. Raises ``OSError``."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            path.unlink()
        try:
            entries = _to_entries((self.folder / _INDEX).read_bytes())
        except FileNotFoundError:
            return self._rebuild()
        except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            logger.warning("the index of the eggs cannot be read (%s): it is made again", reason)
            return self._rebuild()
        there = self.keys()
        for entry in entries.values():
            for each in entry.versions:
                if (entry.id, each.version) not in there:
                    logger.warning("the file of the egg %s, version %s, is missing", entry.id, each.version)
        return entries

    def keys(self) -> set[Key]:
        """Return the versions of which there is a file."""
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return {(name[1], name[2]) for name in found if name}

    def read(self, egg_id: str, version: str) -> str:
        """Return the text of a version; raises ``Damaged``."""
        try:
            data = self._path(egg_id, version).read_bytes()
        except OSError as error:
            raise Damaged(f"its file cannot be read: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest()[:16] != version:
            raise Damaged("its file has changed since it was imported")
        return data.decode()

    def put(self, egg_id: str, version: str, text: str) -> None:
        """Write a version, unless it is there and undamaged. Raises ``OSError``."""
        try:
            self.read(egg_id, version)
        except Damaged:
            self._write(self._path(egg_id, version), text.encode())

    def put_index(self, entries: Iterable[Entry]) -> None:
        """Write the index. Raises ``OSError``."""
        plain = {"eggs": [attrs.asdict(entry) for entry in entries]}
        self._write(self.folder / _INDEX, json.dumps(plain, ensure_ascii=False, indent=1).encode())

    def remove(self, keys: Iterable[Key]) -> None:
        """Remove versions; what cannot be removed now is left for the next start."""
        for key in keys:
            with suppress(OSError):
                self._path(*key).unlink(missing_ok=True)

    def _path(self, egg_id: str, version: str) -> Path:
        if not ID.fullmatch(egg_id) or not VERSION.fullmatch(version):
            raise Damaged("this is no id and version of an egg")
        return self.folder / f"{egg_id}@{version}.json"

    def _rebuild(self) -> dict[str, Entry]:
        found: dict[str, list[tuple[Version, dict[str, Any]]]] = {}
        for egg_id, version in sorted(self.keys()):
            try:
                text = self.read(egg_id, version)
                state = self._path(egg_id, version).stat()
                plain = json.loads(text)
            except (Damaged, OSError, ValueError) as error:
                logger.warning("the egg %s, version %s, cannot be used: %s", egg_id, version, error)
                continue
            found.setdefault(egg_id, []).append((Version(version, state.st_mtime, state.st_size), plain))
        entries = {}
        for egg_id, versions in found.items():
            versions.sort(key=lambda each: each[0].imported_at)
            entries[egg_id] = to_entry(egg_id, versions[-1][1], [version for version, _ in versions])
        return entries

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f"{path.name}{_UNFINISHED}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _to_entries(data: bytes) -> dict[str, Entry]:
    entries = {}
    for row in json.loads(data)["eggs"]:
        versions = [Version(**each) for each in row["versions"]]
        entry = attrs.evolve(to_entry(row["id"], row, versions))
        if not versions or not ID.fullmatch(entry.id):
            raise ValueError
        entries[entry.id] = entry
    return entries
