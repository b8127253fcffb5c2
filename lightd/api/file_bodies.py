"""The bodies of requests about volumes and their files."""

from typing import Annotated

import attrs

from lightd.api.bodies import AnyText, VolumeId
from lightd.files.archives import kinds
from lightd.validation.rules import one_of, whole
from lightd.validation.schema import Described

MOST_PATHS = 1000
"""The maximum number of paths in one request."""

Megabytes = Annotated[
    int, whole(1, 2**40), Described("the volume's maximum size", unit="MB of 1,048,576 bytes", example=1024)
]
Path = Annotated[
    AnyText, Described("the path of the file, relative to the volume", example="config/server.properties")
]


@attrs.frozen
class VolumeBody:
    """A new volume."""

    size: Annotated[Megabytes | None, Described("the volume's maximum size; null: unlimited")] = None


@attrs.frozen
class AdoptVolumeBody:
    """A volume of a lost journal; ``size`` replaces its known size."""

    volume_id: VolumeId
    size: Annotated[Megabytes | None, Described("the volume's maximum size; null: the size that it had")] = (
        None
    )


@attrs.frozen
class SizeBody:
    """The new size of a volume."""

    size: Megabytes


@attrs.frozen
class FileBody:
    """A file and its whole text."""

    path: Path
    content: Annotated[AnyText, Described("the text, stored in UTF-8", example="motd=Welcome\n")]


@attrs.frozen
class FolderBody:
    """A folder."""

    path: Annotated[Path, Described("the path of the folder, relative to the volume", example="worlds/one")]


@attrs.frozen
class FromToBody:
    """The source and the destination of a copy or a move."""

    source: Annotated[AnyText, Described("the present path, relative to the volume", example="world")]
    destination: Annotated[AnyText, Described("the path of the copy, or the new path", example="world.old")]


@attrs.frozen
class ModeBody:
    """Permissions, in octal."""

    path: Path
    mode: Annotated[AnyText, Described("three octal digits", example="640")]


@attrs.frozen
class PathsBody:
    """Paths to delete."""

    paths: Annotated[
        tuple[Path, ...], Described(f"paths relative to the volume, at most {MOST_PATHS}", example=["logs"])
    ]


@attrs.frozen
class CompressBody:
    """An archive to create; without ``sources``, of the whole volume."""

    format: Annotated[str, one_of(*kinds()), Described("the format of the archive", example="tar.gz")]
    output_name: Annotated[
        AnyText, Described("the archive's path, with or without its file extension", example="backup")
    ]
    sources: Annotated[
        tuple[Path, ...] | None,
        Described("the files and folders to pack; null: the whole volume", example=["world", "config"]),
    ] = None


@attrs.frozen
class DecompressBody:
    """An archive, and the folder that it is unpacked into."""

    archive_path: Annotated[AnyText, Described("the archive's path", example="backup.tar.gz")]
    destination: Annotated[
        AnyText, Described("the folder that it is extracted to; `.` is the volume", example="restored")
    ]
