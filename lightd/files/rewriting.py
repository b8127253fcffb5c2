"""Rewrites a small file of a volume: reads all of it, and replaces it later if it was not changed meanwhile.

Links inside the volume are followed, and the file that they lead to is replaced.
"""

import os
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.jail import Jail, explained, held, open_contents
from lightd.files.measuring import check_alone
from lightd.files.paths import RelativePath
from lightd.files.reading import to_etag
from lightd.files.uploads import ANY, Condition, open_upload

PIECE: Final = 256 << 10


@attrs.frozen
class Contents:
    """A file as it was read: the ``path`` at which it really is; ``etag`` is None if it did not exist."""

    path: RelativePath
    data: bytes = b""
    etag: str | None = None


class TooLarge(errors.NotAllowed):
    """The file has more bytes than were to be read."""


def read_whole(jail: Jail, path: RelativePath, most: int) -> Contents:
    """Return a file of at most ``most`` bytes, or that there is none. Raises ``FileRefused``."""
    with explained(path):
        try:
            found = jail.find(path)
        except FileNotFoundError:
            return Contents(path)
        with held(found):
            real = RelativePath(jail.place_of(found))
            contents = open_contents(found, path)
        with jail.open_files.held(contents):
            state = os.fstat(contents)
            if state.st_size > most:
                raise TooLarge(f'"{path}" has {state.st_size} bytes, more than {most}')
            check_alone(jail, state, path)
            pieces: list[bytes] = []
            while piece := os.pread(contents, PIECE, sum(map(len, pieces))):
                pieces.append(piece)
                if sum(map(len, pieces)) > most:
                    raise TooLarge(f'"{path}" has more than {most} bytes')
            return Contents(real, b"".join(pieces), to_etag(state))


def put_back(jail: Jail, before: Contents, data: bytes) -> None:
    """Replace the file by ``data``; it keeps its permissions and belongs to the volume's owner.

    Missing folders are created. Raises ``PreconditionFailed`` if it is not as it was read any more.
    """
    present = None if before.etag is None else frozenset({before.etag})
    condition = Condition(matches=present, differs=frozenset({ANY}) if present is None else None)
    with open_upload(jail, before.path, jail.owner(), condition=condition) as upload:
        upload.write(data)
        upload.commit(len(data))
