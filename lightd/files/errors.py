"""Why a file operation was refused: every message is a sentence that names a path inside the volume.

No message ever holds a path of the host. ``code`` is the stable slug that clients see; which HTTP status
a class means stands beside it.
"""

from typing import ClassVar

ESCAPES = "Invalid path: path traversal detected"


class FileRefused(Exception):  # noqa: N818 - a refusal is an answer to the caller, not an error of ours
    """An operation on a tenant's files could not be done, and the reason may be told to its caller."""

    code: ClassVar[str] = "file_refused"


class InvalidPath(FileRefused):
    """The path isn't one (400): empty, absolute, too long, or it leads out of the volume."""

    code = "invalid_path"


class InvalidCursor(FileRefused):
    """The cursor isn't one that a listing gave (400)."""

    code = "invalid_cursor"


class InvalidOffset(FileRefused):
    """The piece of an upload doesn't begin where the last one ended (409)."""

    code = "invalid_offset"


class InvalidMode(FileRefused):
    """The mode isn't one, or has bits that may not be set (400)."""

    code = "invalid_mode"


class InvalidArchive(FileRefused):
    """The archive isn't one that can be read, or goes over a ceiling (400)."""

    code = "invalid_archive"


class NotFound(FileRefused):
    """Nothing is there (404)."""

    code = "file_not_found"


class Exists(FileRefused):
    """Something is there already (409)."""

    code = "file_exists"


class WrongKind(FileRefused):
    """What is there is of another kind than the operation needs (409)."""

    code = "wrong_kind"


class NotAllowed(FileRefused):
    """What is there may not be touched, or keeps changing while it is looked at (409)."""

    code = "file_not_allowed"


class Busy(FileRefused):
    """As much is under way in the volume, and waits, as may (429)."""

    code = "volume_busy"


class InUse(FileRefused):
    """A program in the server holds what is there under a lease, fcntl(2), and has to let go first (409)."""

    code = "file_in_use"


class TooDeep(FileRefused):
    """The tree is nested deeper than the operation goes (409)."""

    code = "tree_too_deep"


class PreconditionFailed(FileRefused):
    """What is there isn't what the caller took it for (412)."""

    code = "precondition_failed"


class NoSpace(FileRefused):
    """The volume's quota, or the disk, is full (507)."""

    code = "no_space"


class QuotaBelowUsage(FileRefused):
    """The volume holds more than it may be made to (409)."""

    code = "quota_below_usage"


class NotMounted(FileRefused):
    """The place where volumes are isn't there (409)."""

    code = "volume_not_mounted"
