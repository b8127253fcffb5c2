"""What SFTP costs the node, beside OpenSSH's internal-sftp with the same client.

The server's processor time is read while the client still holds its connection: a process that has ended
cannot be asked.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench import figures, process
from tests.bench.installation import open_daemon
from tests.rig import engine
from tests.support.daemon import Daemon, free_port
from tests.support.sftp import end_servers, listening, processes_of

ID = "sftp-bench"
MEGABYTES = 256
SMALL = 2000
MOST_MEMORY = 10.0
MOST_LOGIN = 150.0


@attrs.frozen
class Server:
    """An SFTP server to log in to, and the process that its connections come from."""

    user: str
    port: int
    key: Path
    folder: Path
    root: str
    pid: int

    def command(self, size: int) -> list[str]:
        options = (
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        )
        chosen = [part for option in options for part in ("-o", option)]
        target = f"{self.user}@127.0.0.1"
        key = ["-F", "none", "-i", str(self.key), "-P", str(self.port)]
        return ["sftp", "-q", *key, *chosen, "-B", str(size), "-R", "64", "-b", "-", target]

    def descendants(self) -> list[int]:
        """The processes of its connections."""
        parents = {}
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                try:
                    parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue
        found = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found - {self.pid})

    def run(self, size: int, *lines: str) -> tuple[float, float]:
        """Run a batch; return the seconds of the server's processor, and those until it was done."""
        done = self.key.parent / "done"
        done.unlink(missing_ok=True)
        begun = time.perf_counter()
        with subprocess.Popen(self.command(size), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as client:
            assert client.stdin is not None
            client.stdin.write("".join(f"{line}\n" for line in (*lines, f"!touch {done}")).encode())
            client.stdin.flush()
            while not done.exists():
                assert client.poll() is None, "the client has ended"
                time.sleep(0.002)
            took = time.perf_counter() - begun
            cpu = sum(process.cpu_seconds(pid) for pid in self.descendants())
            client.stdin.close()
        assert client.returncode == 0
        return cpu, took


@contextmanager
def open_sshd(folder: Path, key: Path) -> Iterator[Server]:
    """OpenSSH's server on a free port, for this user."""
    port = free_port()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host")], check=True)
    (folder / "authorized").write_text(key.with_suffix(".pub").read_text())
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host'}\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nSubsystem sftp internal-sftp\n"
        "UsePAM no\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    files = folder / "files"
    files.mkdir()
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    with subprocess.Popen([sshd, "-D", "-f", str(configuration)]) as server:
        try:
            time.sleep(0.5)
            user = "root" if os.geteuid() == 0 else os.environ["USER"]
            yield Server(user, port, key, files, str(files), server.pid)
        finally:
            server.terminate()


async def _begin(daemon: Daemon, key: Path) -> Path:
    await listening(daemon, ID)
    body = {"public_keys": [key.with_suffix(".pub").read_text()]}
    await daemon.post(f"/containers/{ID}/sftp/credentials", body)
    volume_id = (await daemon.show(ID))["volume_id"]
    return daemon.folder / "storage" / "volumes" / volume_id


def run(report: figures.Report, *, quick: bool) -> None:
    """Compare uploads, downloads, small files and logins; measure a connection's memory."""
    engine.require("ssh-keygen", "sftp")
    sftp = {"enabled": True, "host": "127.0.0.1", "port": free_port()}
    with tempfile.TemporaryDirectory() as name, open_daemon(sftp=sftp) as daemon:
        folder = Path(name)
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        volume = trio.run(_begin, daemon, key)
        (listener,) = processes_of(daemon.folder)
        ours = Server(ID, int(sftp["port"]), key, volume, "/", int(listener.name))
        try:
            with open_sshd(folder, key) as theirs:
                _compare(report, ours, theirs, folder, quick=quick)
        finally:
            end_servers(daemon.folder)


def _compare(report: figures.Report, ours: Server, theirs: Server, folder: Path, *, quick: bool) -> None:
    megabytes, rounds = (32, 1) if quick else (MEGABYTES, 3)
    large = folder / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * megabytes)
    for size, goal in ((256 * 1024 - 1024, 1.2), (32 * 1024, 2.2)):
        for way, line in (("upload", "put {local} {there}"), ("download", "get {there} {local}")):
            found = []
            for server in (ours, theirs):
                server.run(size, "pwd")
                there = f"{server.root.rstrip('/')}/large.bin"
                filled = line.format(local=large if way == "upload" else folder / "back.bin", there=there)
                idle = min(server.run(size, "pwd")[0] for _ in range(rounds))
                cpu = min(server.run(size, filled)[0] for _ in range(rounds))
                found.append((cpu - idle) * 1000 / megabytes)
            title = f"{way}, {size // 1024 + 1 if size % 32768 else size // 1024} KiB requests, CPU"
            report.add(figures.Figure("sftp", title, found[0], "ms a MiB", "OpenSSH", found[1], goal))
    small = folder / "small"
    small.mkdir()
    count = 200 if quick else SMALL
    for number in range(count):
        (small / f"{number}.dat").write_bytes(os.urandom(4096))
    rates = []
    for server in (ours, theirs):
        there = f"{server.root.rstrip('/')}/small"
        took = server.run(32768, f"mkdir {there}", f"put {small}/*.dat {there}/")[1]
        rates.append(count / took)
    report.add(
        figures.Figure(
            "sftp",
            f"{count} files of 4 KiB",
            rates[0],
            "files/s",
            "OpenSSH",
            rates[1],
            0.6,
            more_is_better=True,
        )
    )
    logins = [min(server.run(32768, "pwd")[1] for _ in range(10)) * 1000 for server in (ours, theirs)]
    report.add(figures.Figure("sftp", "login", logins[0], "ms", "OpenSSH", logins[1], ceiling=MOST_LOGIN))
    with subprocess.Popen(ours.command(32768), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as client:
        assert client.stdin is not None
        client.stdin.write(b"ls\n")
        client.stdin.flush()
        time.sleep(1)
        (pid,) = ours.descendants()
        memory = process.resident(pid) / 2**20
        client.stdin.close()
    report.add(figures.Figure("sftp", "private memory of a connection", memory, "MiB", ceiling=MOST_MEMORY))
