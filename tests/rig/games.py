"""Two images for the tests with real games, made of Debian's packages: no registry has a part in them.

``IMAGE`` stands for the images that eggs name for their servers: a C library, a shell, and an entrypoint that
runs ``$STARTUP``, as theirs do. ``INSTALLER`` stands for those of installers: with ``dpkg-deb``, and with the
games' packages beside an ``apt-get`` that takes them from there instead of a mirror.

The packages are downloaded once, into ``.rig/games``, with apt and without being root. Raises ``NoGames``
where that cannot be done.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.rig import images

IMAGE = "lightd-rig:yolk"
INSTALLER = "lightd-rig:installer"
CACHE = Path(__file__).parents[2] / ".rig" / "games"

GAMES = (
    "armagetronad-dedicated",
    "bzflag-server",
    "gnugo",
    "liquidwar-server",
    "minetest-server",
    "pioneers-console",
    "teeworlds-server",
    "wesnoth-1.16-server",
)
RUNTIME = ("libc6", "libgcc-s1")
"""What the server's image has: each game brings all else."""
TOOLS = ("dpkg", "tar")
ENTRYPOINT = """#!/bin/sh
cd /home/container || exit 1
command=$(echo "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')
echo ":/home/container$ $command"
eval "exec env $command"
"""
APT_GET = """#!/bin/sh
# Stands for apt and a mirror: "install" finds the packages of a game, and those they need, in /packages.
mkdir -p /var/cache/apt/archives
for word; do
    if [ -e "/packages/$word.list" ]; then
        while read -r file; do ln -sf "/packages/$file" /var/cache/apt/archives/; done <"/packages/$word.list"
    fi
done
"""


class NoGames(Exception):  # noqa: N818 - named for what is missing
    """The packages of the games can't be had here; ``str()`` says why."""


def _apt(cache: str, *arguments: str) -> str:
    folder = CACHE / cache
    (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    status = folder / "status"
    status.touch()
    options = [
        f"Dir::State::status={status}",
        f"Dir::Cache={folder}",
        "Debug::NoLocking=1",
        "APT::Install-Recommends=0",
    ]
    command = [
        "apt-get",
        "-q",
        "-y",
        *(word for each in options for word in ("-o", each)),
        "install",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoGames(f"apt can't get {arguments[-1]}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _packages_of(name: str) -> list[str]:
    """The file names of a package and of all that it needs; apt names only those that its cache lacks."""
    lines = _apt("empty", "--print-uris", name).splitlines()
    return [line.split()[1] for line in lines if line.startswith("'")]


def _download() -> dict[str, list[str]]:
    """The packages are in ``CACHE``; returns the file names that each game needs, and those of ``TOOLS``."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoGames(
            "The games for the tests are Debian's packages; this system has no apt-get or dpkg-deb."
        )
    needed = {name: _packages_of(name) for name in (*GAMES, *RUNTIME, *TOOLS)}
    archives = CACHE / "apt" / "archives"
    if not all((archives / file).exists() for files in needed.values() for file in files):
        _apt("apt", "--download-only", *needed)
    return needed


def _add_packages(archive: images.Archive, files: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(set(files)):
            subprocess.run(["dpkg-deb", "-x", CACHE / "apt" / "archives" / file, folder], check=True)
        root = Path(folder)
        for path in sorted(root.rglob("*")):
            name, mode = str(path.relative_to(root)), path.lstat().st_mode & 0o7777
            if name.startswith(
                ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/")
            ):
                continue
            if path.is_symlink():
                archive.add(name, tarfile.SYMTYPE, 0o777, link=str(path.readlink()))
            elif path.is_dir():
                archive.add(name, tarfile.DIRTYPE, mode)
            else:
                archive.add(name, tarfile.REGTYPE, mode, path.read_bytes())


def _to_base(files: Iterable[str]) -> images.Archive:
    archive = images.Archive()
    for name in (*images.DIRECTORIES, "home/container", "mnt", "mnt/server", "mnt/install", "var/cache"):
        archive.add(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
    _add_packages(archive, files)
    images.add_busybox(archive)
    return archive


def _to_server(needed: dict[str, list[str]]) -> bytes:
    archive = _to_base(file for name in RUNTIME for file in needed[name])
    archive.add("entrypoint.sh", tarfile.REGTYPE, 0o755, ENTRYPOINT.encode())
    return archive.finished()


def _to_installer(needed: dict[str, list[str]]) -> bytes:
    archive = _to_base(file for name in (*RUNTIME, *TOOLS) for file in needed[name])
    archive.add("usr/bin/apt-get", tarfile.REGTYPE, 0o755, APT_GET.encode())
    archive.add("packages", tarfile.DIRTYPE, 0o755)
    for name in GAMES:
        archive.add(
            f"packages/{name}.list",
            tarfile.REGTYPE,
            0o644,
            "".join(f"{file}\n" for file in needed[name]).encode(),
        )
    for file in sorted({file for name in GAMES for file in needed[name]}):
        archive.add(
            f"packages/{file}", tarfile.REGTYPE, 0o644, (CACHE / "apt" / "archives" / file).read_bytes()
        )
    return archive.finished()


def build() -> None:
    """Both images are on the engine, made of the newest packages; raises ``NoGames``."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes
        needed = _download()
        source = Path(__file__).read_bytes() + Path(images.__file__).read_bytes() + images.busybox()
        inputs = hashlib.sha256(source + json.dumps(needed).encode()).hexdigest()
        path = "ENV PATH=/bin:/usr/bin:/sbin:/usr/sbin"
        images.make(IMAGE, inputs, partial(_to_server, needed), (path, 'ENTRYPOINT ["/entrypoint.sh"]'))
        images.make(INSTALLER, inputs, partial(_to_installer, needed), (path, 'CMD ["/bin/sh"]'))


if __name__ == "__main__":
    build()
