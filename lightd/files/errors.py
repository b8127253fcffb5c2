"""Errors of file operations. Every message is a sentence that names a path inside the volume.

No message contains a path of the host. ``code`` is the stable code that clients see; each docstring has the
HTTP status of its class.
"""

from typing import ClassVar

ESCAPES = "Invalid path: path traversal detected"


class FileRefused(Exception):  # noqa: N818 - a result for the caller, not an error of ours
    """A file operation is not possible; the message can be shown to the client."""

    code: ClassVar[str] = "file_refused"


class InvalidPath(FileRefused):
    """The path is invalid (400): empty, absolute, too long, or it leads out of the volume."""

    code = "invalid_path"


class InvalidCursor(FileRefused):
    """The cursor is not from a listing (400)."""

    code = "invalid_cursor"


class InvalidOffset(FileRefused):
    """The piece of an upload does not begin where the previous one ended (409)."""

    code = "invalid_offset"


class InvalidMode(FileRefused):
    """The mode is invalid, or has bits that cannot be set (400)."""

    code = "invalid_mode"


class InvalidArchive(FileRefused):
    """The archive cannot be read, or exceeds a limit (400)."""

    code = "invalid_archive"


class NotFound(FileRefused):
    """Nothing exists at the path (404)."""

    code = "file_not_found"


class Exists(FileRefused):
    """Something exists at the path already (409)."""

    code = "file_exists"


class WrongKind(FileRefused):
    """The path leads to another type of file than the operation needs (409)."""

    code = "wrong_kind"


class NotAllowed(FileRefused):
    """Access to the file is not allowed, or it keeps changing (409)."""

    code = "file_not_allowed"


class Denied(FileRefused):
    """The deny list of a server of the volume has the file (403)."""

    code = "file_denied"


class Busy(FileRefused):
    """Too many operations are running and waiting in the volume (429)."""

    code = "volume_busy"


class InUse(FileRefused):
    """A program of the server holds a lease on the file, fcntl(2) (409)."""

    code = "file_in_use"


class TooDeep(FileRefused):
    """The tree has too many levels (409)."""

    code = "tree_too_deep"


class PreconditionFailed(FileRefused):
    """The file does not match the precondition (412)."""

    code = "precondition_failed"


class NoSpace(FileRefused):
    """The volume's quota, or the disk, is full (507)."""

    code = "no_space"


class QuotaBelowUsage(FileRefused):
    """The volume contains more than the requested size (409)."""

    code = "quota_below_usage"


class NotMounted(FileRefused):
    """The folder of the volumes is not mounted (409)."""

    code = "volume_not_mounted"
