"""Which kinds of quota there are here, found by trying.

A kind counts if a folder that it made takes what fits and refuses what doesn't. The order: project quotas
(the folder of the volumes stays as it is), btrfs (the host's, or the pool's), accounting (always works).
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
"""What has to be free for a trial: its failing for another reason proves nothing."""

NOBODY: Final = 65534


@attrs.frozen
class Found:
    """What there is: ``kinds``, the best first and accounting last, and ``reasons`` why there are no others.

    New volumes get the best, or accounting where that was ``wished`` for. ``missing`` is a sentence where
    volumes should be there and aren't: then none may be made.
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
    """What there is for the volumes in ``root``. A pool is mounted, and made where it is wished for."""
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
    """The folders that are named as volumes are, and aren't any that are ``known``."""
    for path in root.iterdir():
        try:
            plain = str(UUID(path.name)) == path.name
        except ValueError:
            continue
        if plain and path.name not in known:
            yield path


def _tried(kind: Kind, root: Path) -> Kind:
    """``kind``, which has refused what was too much; raises ``Unsupported``."""
    if os.geteuid() != 0:
        raise Unsupported("only root may set them")
    if shutil.disk_usage(root).free < ROOM:
        raise Unsupported("the disk is too full to try")
    path = f"{root}/{TRIAL}{secrets.token_hex(8)}"
    try:
        kind.make(path, TRIED_MB)
        if not _written(f"{path}/fits", TRIED_MB // 2):
            raise Unsupported("what fits under a ceiling is refused")
        if _written(f"{path}/exceeds", TRIED_MB):
            raise Unsupported("a ceiling was set and is not kept")
    finally:
        _sweep(root)
    kind.forget()
    return kind


def _written(path: str, megabytes: int) -> bool:
    """Whether a process like a server's could write so much; root's own may not be held to a ceiling."""
    with open(path, "wb") as file:
        ended = subprocess.run(
            ["cat"],  # noqa: S607 - of whatever system this is
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
    """Nothing is left of trials."""
    with held(os.open(root, FOLDER)) as folder:
        for name in os.listdir(folder):
            if name.startswith(TRIAL):
                delete_at(folder, name, lambda _: None)
