"""Egg files at a shell: a path, ``-`` for standard input, or the name of one of lightd's own eggs."""

import sys
from pathlib import Path
from typing import Final

from lightd.cli.commands.trouble import WRONG, Trouble

OWN: Final = Path(__file__).parents[2] / "eggs" / "examples"
"""The eggs that come with lightd, as ``NAME.yaml``."""

LARGEST: Final = 1024 * 1024
"""Bytes of an egg file."""


def to_names() -> list[str]:
    """Return the names of lightd's own eggs, sorted."""
    return sorted(path.stem for path in OWN.glob("*.yaml"))


def is_own(file: str) -> bool:
    """Whether ``file`` means one of lightd's own eggs: a file of that name comes first."""
    return file in to_names() and not Path(file).exists()


def read(file: str) -> bytes:
    """Return the egg file; raises ``Trouble``, also if it is larger than ``LARGEST``."""
    path = OWN / f"{file}.yaml" if is_own(file) else Path(file)
    try:
        with sys.stdin.buffer if file == "-" else path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        own = f" (lightd's own eggs are {', '.join(to_names())})" if file.isidentifier() else ""
        raise Trouble(WRONG, f"{file}: cannot be read: {error.strerror}{own}") from None
    if len(data) > LARGEST:
        raise Trouble(WRONG, f"{file}: must not be larger than {LARGEST} bytes")
    return data
