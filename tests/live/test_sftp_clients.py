"""Clients of SFTP that people use: each puts, gets, resumes, renames, lists and deletes."""

import asyncio
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import asyncssh
import attrs
import paramiko
import pytest
import trio

from tests.rig import engine
from tests.support.daemon import USER, Daemon
from tests.support.sftp import connecting, end_servers, listening, serving_sftp_settings

ID = "sftp-clients"
LOGIN = f"me.{ID}"
PASSWORD = "correct-horse"
UID = int(USER.partition(":")[0])
MANY = 10_000
PACKAGE = Path(__file__).parent / "sftp_client"


@attrs.frozen
class Place:
    """A daemon with a volume, and what a client needs to reach it."""

    port: int
    volume: Path
    key: Path
    fingerprint: str
    folder: Path

    @property
    def options(self):
        """Of OpenSSH's programs."""
        return (
            *("-i", str(self.key), "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
        )


def run(*command, feed="", **options):
    """Run a client to its end and return what it prints."""
    done = subprocess.run(
        command, input=feed, capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


class OpenSsh:
    program = "sftp"

    def __init__(self, place):
        self.place = place

    def batch(self, *lines):
        port = str(self.place.port)
        return run(
            *("sftp", *self.place.options, "-P", port, "-b", "-", f"{LOGIN}@127.0.0.1"),
            feed="".join(f"{line}\n" for line in lines),
        )

    def put_tree(self, local, remote):
        self.batch(f"put -R {local} {remote}")

    def get_tree(self, remote, local):
        self.batch(f"get -R {remote} {local}")

    def resume_put(self, local, remote):
        self.batch(f"reput {local} {remote}")

    def resume_get(self, remote, local):
        self.batch(f"reget {remote} {local}")

    def rename(self, old, new):
        self.batch(f"rename {old} {new}")

    def names(self, folder):
        return [
            line.removeprefix(f"{folder}/") for line in self.batch(f"ls -1 {folder}").split("\n")[1:] if line
        ]

    def remove_tree(self, folder):
        folders, files = ["/" + folder], []
        for path in folders:
            for line in self.batch(f"ls -la {path}").split("\n")[1:]:
                if line and (name := line.split(maxsplit=8)[8].rsplit("/", 1)[-1]) not in (".", ".."):
                    (folders if line.startswith("d") else files).append(f"{path}/{name}")
        self.batch(*(f'rm "{each}"' for each in files), *(f'rmdir "{each}"' for each in reversed(folders)))

    def remove(self, file):
        self.batch(f"rm {file}")


class Scp(OpenSsh):
    """It copies; the rest is done with its sibling."""

    program = "scp"

    def copy(self, *paths):
        run("scp", *self.place.options, "-q", "-r", "-P", str(self.place.port), *map(str, paths))

    def put_tree(self, local, remote):
        self.copy(local, f"{LOGIN}@127.0.0.1:/{remote}")

    def get_tree(self, remote, local):
        self.copy(f"{LOGIN}@127.0.0.1:/{remote}", local)


class Sshfs:
    program = "sshfs"

    def __init__(self, place):
        if not Path("/dev/fuse").exists():
            pytest.skip("this machine has no /dev/fuse")
        self.place = place
        self.mounted = place.folder / "mounted"
        self.mounted.mkdir()
        run(
            "sshfs", *place.options[4:], "-o", f"IdentityFile={place.key}", "-p", str(place.port), *self.where
        )

    @property
    def where(self):
        return f"{LOGIN}@127.0.0.1:/", str(self.mounted)

    def close(self):
        run("fusermount", "-u", "-z", str(self.mounted))

    def put_tree(self, local, remote):
        shutil.copytree(local, self.mounted / remote, symlinks=True)

    def get_tree(self, remote, local):
        shutil.copytree(self.mounted / remote, local, symlinks=True)

    def resume_put(self, local, remote):
        append(local, self.mounted / remote)

    def resume_get(self, remote, local):
        append(self.mounted / remote, local)

    def rename(self, old, new):
        (self.mounted / old).rename(self.mounted / new)

    def names(self, folder):
        return [path.name for path in (self.mounted / folder).iterdir()]

    def remove_tree(self, folder):
        shutil.rmtree(self.mounted / folder)

    def remove(self, file):
        (self.mounted / file).unlink()


def append(source, target):
    with source.open("rb") as reading, target.open("ab") as writing:
        reading.seek(target.stat().st_size)
        shutil.copyfileobj(reading, writing)


class Lftp:
    program = "lftp"

    def __init__(self, place):
        self.place = place

    def do(self, *lines):
        connect = " ".join(("ssh", "-a", "-x", *self.place.options))
        script = [
            f'set sftp:connect-program "{connect}"',
            "set cmd:fail-exit yes",
            "set net:max-retries 1",
            f"open sftp://{LOGIN}:x@127.0.0.1:{self.place.port}",
            *lines,
        ]
        return run("lftp", "-f", "/dev/stdin", feed="".join(f"{line}\n" for line in script))

    def put_tree(self, local, remote):
        self.do(f"mirror -R {local} {remote}")

    def get_tree(self, remote, local):
        self.do(f"mirror {remote} {local}")

    def resume_put(self, local, remote):
        self.do(f"put -c {local} -o {remote}")

    def resume_get(self, remote, local):
        self.do(f"get -c {remote} -o {local}")

    def rename(self, old, new):
        self.do(f"mv {old} {new}")

    def names(self, folder):
        return [line.removeprefix(f"{folder}/") for line in self.do(f"cls -1 {folder}").split()]

    def remove_tree(self, folder):
        self.do(f"rm -r {folder}")

    def remove(self, file):
        self.do(f"rm {file}")


class Psftp:
    program = "psftp"

    def __init__(self, place):
        self.place = place

    def do(self, *lines):
        port, key = str(self.place.port), self.place.fingerprint
        return run(
            *(
                "psftp",
                "-batch",
                "-P",
                port,
                "-l",
                LOGIN,
                "-pw",
                PASSWORD,
                "-hostkey",
                key,
                "-b",
                "/dev/stdin",
            ),
            "127.0.0.1",
            feed="".join(f"{line}\n" for line in lines),
        )

    def put_tree(self, local, remote):
        self.do(f'put -r "{local}" "{remote}"')

    def get_tree(self, remote, local):
        self.do(f'get -r "{remote}" "{local}"')

    def resume_put(self, local, remote):
        self.do(f'reput "{local}" "{remote}"')

    def resume_get(self, remote, local):
        self.do(f'reget "{remote}" "{local}"')

    def rename(self, old, new):
        self.do(f'mv "{old}" "{new}"')

    def names(self, folder):
        listed = self.do(f'ls "{folder}"').split("\n")
        return [
            line.split()[-1]
            for line in listed
            if line[:1] in "-d" and line and line.split()[-1] not in (".", "..")
        ]

    def remove_tree(self, folder):
        for path, _, _ in os.walk(self.place.volume / folder, topdown=False):
            inside = "/" + os.path.relpath(path, self.place.volume)
            files = [each for each in Path(path).iterdir() if not each.is_dir() or each.is_symlink()]
            self.do(*(f'rm "{inside}/{each.name}"' for each in files), f'rmdir "{inside}"')

    def remove(self, file):
        self.do(f'rm "{file}"')


class Rclone:
    program = "rclone"

    def __init__(self, place):
        self.place = place

    def do(self, *command):
        settings = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_SFTP_HOST": "127.0.0.1",
            "RCLONE_SFTP_PORT": str(self.place.port),
            "RCLONE_SFTP_USER": LOGIN,
            "RCLONE_SFTP_KEY_FILE": str(self.place.key),
            "RCLONE_SFTP_SHELL_TYPE": "none",
        }
        return run("rclone", *map(str, command), env={**os.environ, **settings})

    def put_tree(self, local, remote):
        self.do("sync", "--create-empty-src-dirs", local, f":sftp:{remote}")

    def get_tree(self, remote, local):
        self.do("sync", "--create-empty-src-dirs", f":sftp:{remote}", local)

    def resume_put(self, local, remote):
        self.do("copyto", local, f":sftp:{remote}")

    def resume_get(self, remote, local):
        self.do("copyto", f":sftp:{remote}", local)

    def rename(self, old, new):
        self.do("moveto", f":sftp:{old}", f":sftp:{new}")

    def names(self, folder):
        return self.do("lsf", f":sftp:{folder}").split()

    def remove_tree(self, folder):
        self.do("purge", f":sftp:{folder}")

    def remove(self, file):
        self.do("deletefile", f":sftp:{file}")


class Paramiko:
    program = ""

    def __init__(self, place):
        self.transport = paramiko.Transport(("127.0.0.1", place.port))
        self.transport.connect(username=LOGIN, password=PASSWORD)
        self.client = paramiko.SFTPClient.from_transport(self.transport)

    def close(self):
        self.transport.close()

    def put_tree(self, local, remote):
        self.client.mkdir(remote)
        for path in sorted(local.rglob("*")):
            there = f"{remote}/{path.relative_to(local)}"
            if path.is_dir():
                self.client.mkdir(there)
            else:
                self.client.put(str(path), there)

    def get_tree(self, remote, local):
        local.mkdir()
        for each in self.client.listdir_attr(remote):
            if stat.S_ISDIR(each.st_mode):
                self.get_tree(f"{remote}/{each.filename}", local / each.filename)
            else:
                self.client.get(f"{remote}/{each.filename}", str(local / each.filename))

    def resume_put(self, local, remote):
        with local.open("rb") as reading, self.client.open(remote, "ab") as writing:
            reading.seek(self.client.stat(remote).st_size)
            shutil.copyfileobj(reading, writing)

    def resume_get(self, remote, local):
        with self.client.open(remote, "rb") as reading, local.open("ab") as writing:
            reading.seek(local.stat().st_size)
            shutil.copyfileobj(reading, writing)

    def rename(self, old, new):
        self.client.posix_rename(old, new)

    def names(self, folder):
        return self.client.listdir(folder)

    def remove_tree(self, folder):
        for each in self.client.listdir_attr(folder):
            path = f"{folder}/{each.filename}"
            (self.remove_tree if stat.S_ISDIR(each.st_mode) else self.client.remove)(path)
        self.client.rmdir(folder)

    def remove(self, file):
        self.client.remove(file)


class AsyncSsh:
    program = ""

    def __init__(self, place):
        self.place = place

    def do(self, work):
        async def connected():
            async with (
                connecting(self.place.port, LOGIN, PASSWORD) as connection,
                connection.start_sftp_client() as sftp,
            ):
                return await work(sftp)

        return asyncio.run(connected())

    def put_tree(self, local, remote):
        self.do(lambda sftp: sftp.put(local, remote, recurse=True))

    def get_tree(self, remote, local):
        self.do(lambda sftp: sftp.get(remote, local, recurse=True))

    def resume_put(self, local, remote):
        async def work(sftp):
            async with sftp.open(remote, "ab") as writing:
                await writing.write(local.read_bytes()[await sftp.getsize(remote) :])

        self.do(work)

    def resume_get(self, remote, local):
        async def work(sftp):
            async with sftp.open(remote, "rb") as reading:
                rest = await reading.read(offset=local.stat().st_size)
            with local.open("ab") as writing:
                writing.write(rest)

        self.do(work)

    def rename(self, old, new):
        self.do(lambda sftp: sftp.rename(old, new))

    def names(self, folder):
        return [name for name in self.do(lambda sftp: sftp.listdir(folder)) if name not in (".", "..")]

    def remove_tree(self, folder):
        self.do(lambda sftp: sftp.rmtree(folder))

    def remove(self, file):
        self.do(lambda sftp: sftp.remove(file))


class Ssh2SftpClient:
    program = "npm"

    def __init__(self, place):
        self.place = place
        self.package = place.folder / "package"
        shutil.copytree(PACKAGE, self.package)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel", "error")
        run("npm", "ci", *quiet, cwd=self.package)

    def do(self, *command):
        port = str(self.place.port)
        return run("node", "client.mjs", port, LOGIN, PASSWORD, *map(str, command), cwd=self.package)

    def put_tree(self, local, remote):
        self.do("putTree", local, f"/{remote}")

    def get_tree(self, remote, local):
        self.do("getTree", f"/{remote}", local)

    def resume_put(self, local, remote):
        self.do("resumePut", local, f"/{remote}")

    def resume_get(self, remote, local):
        self.do("resumeGet", f"/{remote}", local)

    def rename(self, old, new):
        self.do("rename", f"/{old}", f"/{new}")

    def names(self, folder):
        return self.do("names", f"/{folder}").split()

    def remove_tree(self, folder):
        self.do("removeTree", f"/{folder}")

    def remove(self, file):
        self.do("remove", f"/{file}")


CLIENTS = (OpenSsh, Scp, Sshfs, Lftp, Psftp, Rclone, Paramiko, AsyncSsh, Ssh2SftpClient)


def tree_hash(folder):
    """Of the names, kinds and contents in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = b"" if path.is_dir() else path.read_bytes()
        found.update(repr((str(path.relative_to(folder)), path.is_dir(), content)).encode())
    return found.hexdigest()


def make_tree(folder, seed):
    chance = random.Random(seed)
    for place in (folder, folder / "world", folder / "world" / "region", folder / "empty"):
        place.mkdir()
        if place.name != "empty":
            for number in range(12):
                (place / f"r.{number}.mca").write_bytes(chance.randbytes(chance.randrange(20_000)))
    (folder / "with blank.txt").write_text("blank")
    (folder / "große Welt.txt").write_text("über")
    (folder / "nothing.txt").touch()
    (folder / "large.bin").write_bytes(chance.randbytes(3_000_000))
    return folder


@pytest.fixture(scope="module")
def place(docker, tmp_path_factory):
    """One daemon for all clients, with a folder of many names in its volume."""
    folder = tmp_path_factory.mktemp("clients")
    settings, port = serving_sftp_settings()
    (folder / "daemon").mkdir()
    daemon = Daemon(folder / "daemon", settings=settings)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    (folder / "key").chmod(0o600)
    found = []

    async def begin():
        await daemon.start()
        await listening(daemon, ID)
        body = {"username": "me", "password": PASSWORD, "public_keys": [key.export_public_key().decode()]}
        await daemon.post(f"/containers/{ID}/sftp/credentials", body)
        shown = await daemon.get(f"/containers/{ID}/sftp")
        found.append(
            next(each["fingerprint"] for each in shown["host_keys"] if each["type"] == "ssh-ed25519")
        )
        found.append(daemon.folder / "storage" / "volumes" / (await daemon.show(ID))["volume_id"])

    try:
        trio.run(begin)
        fingerprint, volume = found
        many = volume / "many"
        many.mkdir()
        for number in range(MANY):
            (many / f"{number}.dat").touch()
        for path in (many, *many.iterdir()):
            os.chown(path, UID, UID)
        yield Place(port, volume, folder / "key", fingerprint, folder)
    finally:
        daemon.end()
        end_servers(daemon.folder)
        engine.remove_labelled(daemon.node)


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__.lower())
def test_client_works_with_files_as_people_do(kind, place, tmp_path):
    if kind.program:
        engine.require(kind.program)
    client = kind(attrs.evolve(place, folder=tmp_path))
    try:
        check(client, place.volume, tmp_path)
    finally:
        getattr(client, "close", lambda: None)()


def check(client, volume, folder):
    for left in volume.iterdir():  # by a client that failed
        if left.name != "many":
            (shutil.rmtree if left.is_dir() else Path.unlink)(left)
    tree = make_tree(folder / "tree", type(client).__name__)
    client.put_tree(tree, "up")
    assert tree_hash(volume / "up") == tree_hash(tree)
    assert {path.lstat().st_uid for path in (volume / "up").rglob("*")} == {UID}
    client.get_tree("up", folder / "down")
    assert tree_hash(folder / "down") == tree_hash(tree)

    whole = tree / "large.bin"
    half = whole.read_bytes()[:1_500_000]
    (volume / "half.bin").write_bytes(half)
    os.chown(volume / "half.bin", UID, UID)
    client.resume_put(whole, "half.bin")
    assert (volume / "half.bin").read_bytes() == whole.read_bytes()
    (folder / "half.bin").write_bytes(half)
    client.resume_get("half.bin", folder / "half.bin")
    assert (folder / "half.bin").read_bytes() == whole.read_bytes()

    client.rename("half.bin", "whole.bin")
    assert not (volume / "half.bin").exists()
    assert (volume / "whole.bin").read_bytes() == whole.read_bytes()
    assert sorted(client.names("many")) == sorted(f"{number}.dat" for number in range(MANY))
    client.remove("whole.bin")
    client.remove_tree("up")
    assert [path.name for path in volume.iterdir()] == ["many"]


def test_folder_of_many_files_is_mirrored(place, tmp_path):
    engine.require("lftp")
    Lftp(place).get_tree("many", tmp_path / "many")
    assert tree_hash(tmp_path / "many") == tree_hash(place.volume / "many")


def test_program_that_needs_a_shell_gets_none(place):
    engine.require("ssh")
    command = ["ssh", *place.options, "-p", str(place.port), f"{LOGIN}@127.0.0.1", "id"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "uid=" not in done.stdout
    forward = ["ssh", *place.options, "-N", "-p", str(place.port), "-W", "127.0.0.1:22", f"{LOGIN}@127.0.0.1"]
    done = subprocess.run(forward, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert sys.platform == "linux"
