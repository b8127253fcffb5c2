"""Which lightd this is."""

import importlib.metadata

from lightd.config import sections


def version() -> str:
    """The installed version; from a source tree that was never installed, the one it is going to be."""
    try:
        return importlib.metadata.version("lightd")
    except importlib.metadata.PackageNotFoundError:
        return sections.VERSION
