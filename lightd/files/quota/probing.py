"""Tests which kinds of quota work on this host.

A kind is used if a folder of that kind accepts what fits and rejects what does not. The order: project
quotas (which do not change the folder of the volumes), btrfs (the host's, or the pool's), accounting (always
works).
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import attrs

from lightd.files.deleting import delete_at
from lightd.files.jail import FOLDER, held
from lightd.files.quota.accounted import Accounted
from lightd.files.quota.btrfs import open_btrfs
from lightd.files.quota.kind import MEGABYTE, TRIAL, Kind, Unsupported
from lightd.files.quota.pool import Pool
from lightd.files.quota.project import open_project

Wish = Literal["auto", "pool", "accounted"]

TRIED_MB: Final = 4
ROOM: Final = 64 * MEGABYTE
"""The free space that a test needs, so that it does not fail for another reason."""

NOBODY: Final = 65534


@attrs.frozen
class Found:
    """The result: ``kinds``, the best first and accounting last, and the ``reasons`` against others.

    New volumes get the best kind, or accounting if that was ``wished``. ``missing`` is a sentence if
    existing volumes are not mounted: then no volume can be created.
    """

    kinds: Sequence[Kind]
    reasons: Sequence[str] = ()
    missing: str | None = None
    wished: bool = False

    @property
    def new(self) -> Kind:
        """The kind for new volumes."""
        return self.kinds[-1 if self.wished else 0]

    def kind_at(self, path: str) -> Kind:
        """The kind that the volume at ``path`` was made with; raises ``FileNotFoundError``."""
        return next(kind for kind in self.kinds if kind.holds(path))


def probe(root: Path, image: Path, wish: Wish, pool_mb: int) -> Found:
    """Test what is available for the volumes in ``root``. A pool is mounted, and created if wished."""
    reasons: list[str] = []
    root, image = Path(os.path.realpath(root)), Path(os.path.realpath(image))
    pooled = image.exists()
    try:
        Pool(image, root).open(pool_mb if wish == "pool" else 0)
    except Unsupported as why:
        if pooled:
            return Found([Accounted()], (), f"the pool of the volumes is not mounted: {why}")
        reasons.append(f"no pool: {why}")
    pooled = image.exists()
    _sweep(root)
    kinds: list[Kind] = []
    openings: Sequence[tuple[str, Callable[[], Kind]]] = (
        ("project", lambda: open_project(str(root))),
        ("btrfs", lambda: open_btrfs(str(root), enable=pooled)),
    )
    for name, opening in openings:
        try:
            kinds.append(_tried(opening(), root))
        except (Unsupported, OSError) as why:
            reasons.append(f"no {name} quotas: {why}")
    return Found([*kinds, Accounted()], reasons, wished=wish == "accounted")


def strays_in(root: Path, known: Container[str]) -> Iterator[Path]:
    """Folders with the names of volumes that are not ``known``."""
    for path in root.iterdir():
        try:
            plain = str(UUID(path.name)) == path.name
        except ValueError:
            continue
        if plain and path.name not in known:
            yield path


def _tried(kind: Kind, root: Path) -> Kind:
    """``kind``, if it has rejected what was too much; otherwise raises ``Unsupported``."""
    if os.geteuid() != 0:
        raise Unsupported("lightd is not root, and only root can set quotas")
    if shutil.disk_usage(root).free < ROOM:
        raise Unsupported("the disk is too full for a test")
    path = f"{root}/{TRIAL}{secrets.token_hex(8)}"
    try:
        kind.make(path, TRIED_MB)
        if not _written(f"{path}/fits", TRIED_MB // 2):
            raise Unsupported("a write below the limit was rejected")
        if _written(f"{path}/exceeds", TRIED_MB):
            raise Unsupported("a write above the limit was accepted")
    finally:
        _sweep(root)
    kind.forget()
    return kind


def _written(path: str, megabytes: int) -> bool:
    """Whether a process of another user could write so much; limits may not apply to root."""
    with open(path, "wb") as file:
        ended = subprocess.run(
            ["cat"],  # noqa: S607 - the cat of this system
            input=os.urandom(megabytes * MEGABYTE),
            stdout=file,
            stderr=subprocess.DEVNULL,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            check=False,
        )
        return ended.returncode == 0


def _sweep(root: Path) -> None:
    """Remove the folders of tests."""
    with held(os.open(root, FOLDER)) as folder:
        for name in os.listdir(folder):
            if name.startswith(TRIAL):
                delete_at(folder, name, lambda _: None)
