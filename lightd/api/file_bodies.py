"""The bodies that clients send about volumes and what is in them."""

from typing import Annotated

import attrs

from lightd.api.bodies import AnyText
from lightd.files.archives import kinds
from lightd.validation.rules import one_of, whole

MOST_PATHS = 1000
"""Paths that one request names: each is looked at, and answered."""

Megabytes = Annotated[int, whole(1, 2**40)]


@attrs.frozen
class VolumeBody:
    """A new volume."""

    size: Megabytes | None = None


@attrs.frozen
class SizeBody:
    """Another size for a volume."""

    size: Megabytes


@attrs.frozen
class FileBody:
    """A file and all of its text."""

    path: AnyText
    content: AnyText


@attrs.frozen
class FolderBody:
    """A folder."""

    path: AnyText


@attrs.frozen
class FromToBody:
    """What is copied or moved, and where to."""

    source: AnyText
    destination: AnyText


@attrs.frozen
class ModeBody:
    """Permissions, in octal."""

    path: AnyText
    mode: AnyText


@attrs.frozen
class PathsBody:
    """What is deleted."""

    paths: tuple[AnyText, ...]


@attrs.frozen
class CompressBody:
    """An archive to make; all of the volume where no sources are named."""

    format: Annotated[str, one_of(*kinds())]
    output_name: AnyText
    sources: tuple[AnyText, ...] | None = None


@attrs.frozen
class DecompressBody:
    """An archive, and the folder that it is unpacked into."""

    archive_path: AnyText
    destination: AnyText
