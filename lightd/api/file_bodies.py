"""The bodies of requests about volumes and their files."""

from typing import Annotated

import attrs

from lightd.api.bodies import AnyText, VolumeId
from lightd.files.archives import kinds
from lightd.validation.rules import one_of, whole

MOST_PATHS = 1000
"""The maximum number of paths in one request."""

Megabytes = Annotated[int, whole(1, 2**40)]


@attrs.frozen
class VolumeBody:
    """A new volume."""

    size: Megabytes | None = None


@attrs.frozen
class AdoptVolumeBody:
    """A volume of a lost journal; ``size`` replaces its known size."""

    volume_id: VolumeId
    size: Megabytes | None = None


@attrs.frozen
class SizeBody:
    """The new size of a volume."""

    size: Megabytes


@attrs.frozen
class FileBody:
    """A file and its whole text."""

    path: AnyText
    content: AnyText


@attrs.frozen
class FolderBody:
    """A folder."""

    path: AnyText


@attrs.frozen
class FromToBody:
    """The source and the destination of a copy or a move."""

    source: AnyText
    destination: AnyText


@attrs.frozen
class ModeBody:
    """Permissions, in octal."""

    path: AnyText
    mode: AnyText


@attrs.frozen
class PathsBody:
    """Paths to delete."""

    paths: tuple[AnyText, ...]


@attrs.frozen
class CompressBody:
    """An archive to create; without ``sources``, of the whole volume."""

    format: Annotated[str, one_of(*kinds())]
    output_name: AnyText
    sources: tuple[AnyText, ...] | None = None


@attrs.frozen
class DecompressBody:
    """An archive, and the folder that it is unpacked into."""

    archive_path: AnyText
    destination: AnyText
