"""The test images, made from the machine's own static busybox: no registry has a part in it.

Each carries a label with a digest of all that went into it and is made again only when that changes.
"""

import functools
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.rig import engine

SERVERS = Path(__file__).parent / "servers"
SERVER_USER = 988
"""Who owns /home/container: the configuration's default user."""

PASSWD = f"root:x:0:0:root:/root:/bin/sh\ncontainer:x:{SERVER_USER}:{SERVER_USER}::/home/container:/bin/sh\n"
GROUP = f"root:x:0:\ncontainer:x:{SERVER_USER}:\n"
BASH = '#!/bin/sh\n# Enough of bash for scripts that ask for it by name.\nexec /bin/sh "$@"\n'

DIRECTORIES = ["bin", "etc", "root", "tmp", "var", "home", "app", "app/data", "usr", "usr/bin", "sbin"]


class NoBusybox(Exception):  # noqa: N818 - named for what is missing
    """The machine has no static busybox to make an image from."""

    def __init__(self) -> None:
        super().__init__("No statically linked busybox is here: install the package busybox-static.")


@functools.cache
def busybox() -> bytes:
    """The static busybox of this machine, as bytes; raises ``NoBusybox``."""
    return _busybox_path().read_bytes()


def _busybox_path() -> Path:
    for name in (shutil.which("busybox"), "/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"):
        # A dynamic executable names its loader; a static one has no reason to.
        if name and Path(name).exists() and b"/ld-" not in Path(name).read_bytes()[:4096]:
            return Path(name)
    raise NoBusybox


def _applets() -> list[str]:
    listed = subprocess.run([_busybox_path(), "--list"], check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split() if name != "busybox"]


class Archive:
    """A tar whose bytes depend on nothing but what is put in; of entries with one name, the first."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w")  # noqa: SIM115 - closed by `finished`

    def add(
        self, name: str, kind: bytes, mode: int, content: bytes = b"", link: str = "", user: int = 0
    ) -> None:
        if name in self._names:
            return
        self._names.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), link
        entry.uid = entry.gid = user
        self._tar.addfile(entry, io.BytesIO(content))

    def finished(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def add_busybox(archive: Archive) -> None:
    """The archive has busybox, and all of its applets."""
    archive.add("bin/busybox", tarfile.REGTYPE, 0o755, busybox())
    for applet in _applets():
        archive.add(f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
    archive.add("bin/bash", tarfile.REGTYPE, 0o755, BASH.encode())


def working() -> bytes:
    """The tar of the image that servers run in."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.add(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
    archive.add("home/container", tarfile.DIRTYPE, 0o755, user=SERVER_USER)
    archive.add("etc/passwd", tarfile.REGTYPE, 0o644, PASSWD.encode())
    archive.add("etc/group", tarfile.REGTYPE, 0o644, GROUP.encode())
    add_busybox(archive)
    archive.add("usr/bin/env", tarfile.SYMTYPE, 0o777, link="/bin/busybox")
    for server in sorted(SERVERS.iterdir()):
        archive.add(f"bin/{server.name}", tarfile.REGTYPE, 0o755, server.read_bytes())
    return archive.finished()


def _broken() -> bytes:
    archive = Archive()
    archive.add("README", tarfile.REGTYPE, 0o644, b"This image has no shell, on purpose.\n")
    return archive.finished()


def _inputs() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes() + busybox())
    for server in sorted(SERVERS.iterdir()):
        digest.update(server.name.encode() + b"\0" + server.read_bytes())
    return digest.hexdigest()


def build() -> list[str]:
    """The test images are on the engine, as the recipe has them now; returns the names of those just made."""
    inputs = _inputs()
    changes = ("ENV PATH=/bin:/usr/bin:/sbin", 'CMD ["/bin/sh"]')
    images = ((engine.IMAGE, working), (engine.BROKEN_IMAGE, _broken))
    made = [name for name, content in images if make(name, inputs, content, changes)]
    if made:
        engine.call("POST", "/images/prune", filters={"dangling": ["true"], "label": ["lightd.rig=true"]})
    return made


def make(name: str, inputs: str, content: Callable[[], bytes], changes: Iterable[str]) -> bool:
    """The image is on the engine, made of these ``inputs``; returns whether it had to be made.

    ``content`` returns its tar, ``changes`` are instructions as in a Dockerfile.
    """
    present = engine.call("GET", f"/images/{name}/json")
    if present and (present["Config"]["Labels"] or {}).get("lightd.rig.inputs") == inputs:
        return False
    repository, tag = name.split(":")
    labels = ["LABEL lightd.rig=true", f"LABEL lightd.rig.inputs={inputs}"]
    answer = engine.call(
        "POST",
        "/images/create",
        body=content(),
        fromSrc="-",
        repo=repository,
        tag=tag,
        changes=[*changes, *labels],
    )
    if "error" in str(answer):
        message = f"The engine refused {name}: {answer}"
        raise RuntimeError(message)
    return True


def main() -> int:
    try:
        made = build()
    except (NoBusybox, engine.NoEngine) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Images: {', '.join(made)} made." if made else f"Images: {engine.IMAGE} is up to date.")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
