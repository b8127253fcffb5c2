"""Names for the user that a server runs as, and the machine it believes to be on. Pure.

Programs ask who they are: ``getpwuid(3)``, ``user.home``, ``whoami``. A number without an entry in
``/etc/passwd`` has no answer, and some programs end there. So a server is shown the image's own files with an
entry more, unless they have one already. The machine-id (machine-id(5)) is the same for as long as the volume
is, and tells nothing about the host.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from lightd.files.jail import Owner

NAME: Final = "container"
PASSWD: Final = "passwd"  # noqa: S105 - the name of a file without passwords
GROUP: Final = "group"
MACHINE_ID: Final = "machine-id"

_PLAIN = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def to_files(passwd: bytes, group: bytes, owner: Owner, volume_id: str, home: str) -> dict[str, bytes]:
    """The files that are to be shown instead of the image's ``/etc/passwd`` and so on, by their names."""
    files = {
        MACHINE_ID: hashlib.sha256(f"lightd volume {volume_id}".encode()).hexdigest()[:32].encode() + b"\n"
    }
    if _find(passwd, owner.uid) is None:
        name = _free_name(passwd)
        entry = b"%b:x:%d:%d::%b:/bin/sh" % (name, owner.uid, owner.gid, home.encode())
        files[PASSWD] = _with_entry(passwd, entry)
    if _find(group, owner.gid) is None:
        files[GROUP] = _with_entry(group, b"%b:x:%d:" % (_free_name(group), owner.gid))
    return files


def to_user_name(passwd: bytes, uid: int) -> str:
    """How the user is called in what ``to_files`` makes of the image's ``passwd``."""
    found = _find(passwd, uid)
    name = _free_name(passwd) if found is None else found
    return name.decode() if _PLAIN.fullmatch(name) else NAME


def _find(file: bytes, number: int) -> bytes | None:
    """The name that ``number`` has in a file of passwd(5) or group(5)."""
    return next((name for name, found in _entries(file) if found == b"%d" % number), None)


def _entries(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in file.splitlines():
        fields = line.split(b":")
        if len(fields) > 2:  # noqa: PLR2004 - a name, a password, a number
            yield fields[0], fields[2]


def _free_name(file: bytes) -> bytes:
    taken = {name for name, _ in _entries(file)}
    names = (NAME.encode() + (b"%d" % number if number else b"") for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _with_entry(file: bytes, entry: bytes) -> bytes:
    return b"\n".join([*([file.rstrip(b"\n")] if file.strip() else []), entry, b""])
