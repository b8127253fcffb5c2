"""A second Docker Engine beside the machine's own: killed, hung and restarted, it disturbs nobody else.

It has its own socket, data, containerd and network namespace: an engine without a bridge of its own deletes
``docker0``, whosever it is. While it is open ``DOCKER_HOST`` names it, so all that asks ``tests.rig.engine``
asks this one.
"""

import json
import os
import subprocess
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.rig import dockerd, engine, images

PATIENCE = 60.0
ADDRESSES = "base=10.213.0.0/16,size=24"


@attrs.define(eq=False)
class SecondEngine:
    """One installation of an engine, through all the lives of its process. Made by ``open_second_engine``."""

    folder: Path
    namespace: str = attrs.field(factory=lambda: f"lightd-{uuid.uuid4().hex[:12]}")
    _process: subprocess.Popen | None = None

    @property
    def socket(self):
        return str(self.folder / "docker.sock")

    @property
    def settings(self):
        """Its ``daemon.json``."""
        return self.folder / "daemon.json"

    @property
    def pid(self):
        return (self.folder / "dockerd.pid").read_text()

    @property
    def lives(self):
        return self._process.poll() is None

    async def start(self, *, live_restore=False):
        """Start the process and wait until it answers."""
        self.settings.write_text(json.dumps({"live-restore": live_restore}))
        await self._run()

    async def _run(self):
        network = self.folder / "network"
        if not network.exists():
            network.touch()
            as_root("unshare", f"--net={network}", "true")  # which stays, as its containers may
        command = [
            *("nsenter", f"--net={network}", "dockerd"),
            f"--host=unix://{self.socket}",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--config-file={self.settings}",
            f"--pidfile={self.folder / 'dockerd.pid'}",
            f"--containerd-namespace={self.namespace}",
            f"--containerd-plugins-namespace={self.namespace}-plugins",
            f"--default-address-pool={ADDRESSES}",
            f"--group={os.getgid()}",
            "--bridge=none",
            "--iptables=false",
            "--ip-forward=false",
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(dockerd.as_root(*command), stdout=log, stderr=log, cwd="/")
        await trio.to_thread.run_sync(self._wait_answers)

    def _wait_answers(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return engine.check_answers()
            except engine.NoEngine:
                log = self.folder / "dockerd.log"
                assert self._process.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() < deadline, log.read_text()[-4000:]
                time.sleep(0.02)

    async def ensure(self):
        """Have it answer again, whatever was done to it."""
        if self._process.poll() is None:
            self.go_on()
        else:
            await self.start()

    async def kill(self):
        """End the process as a crash does. Its containerd goes with it, its containers don't."""
        self.signal("KILL")
        await self._wait_dead()

    async def stop(self):
        """End the process as a service manager does: without live-restore its containers end too."""
        self.signal("TERM")
        await self._wait_dead()

    async def restart(self):
        """Stop the process where it lives, and start it by what its file says now."""
        if self.lives:
            await self.stop()
        await self._run()

    async def reload(self):
        """Have it read its file, and wait until it has."""
        log = self.folder / "dockerd.log"
        before = log.read_text().count("Reloaded configuration")
        self.signal("HUP")
        with trio.fail_after(PATIENCE):
            while log.read_text().count("Reloaded configuration") == before:
                await trio.sleep(0.02)

    async def _wait_dead(self):
        with trio.fail_after(PATIENCE):
            while self._process.poll() is None:
                await trio.sleep(0.01)
            for left in (self.folder / "exec/containerd/containerd.pid", self.folder / "dockerd.pid"):
                while left.exists() and _lives(left.read_text()):
                    await trio.sleep(0.01)
                as_root("rm", "-f", left)  # a dead process that nobody has reaped is taken for alive

    def hang(self):
        """Have it take connections and answer nothing, until ``go_on``."""
        self.signal("STOP")

    def go_on(self):
        self.signal("CONT")

    def signal(self, name, pid=None):
        as_root("sh", "-c", f"kill -{name} {pid or self.pid}")

    def cut_power(self, pid):
        """End a container's process and what looks after it: nobody is left who would note its end."""
        shim = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        self.signal("KILL", shim)
        self.signal("KILL", pid)

    def end(self):
        """End the process, and remove all that it made on the host."""
        if self._process is not None and self._process.poll() is None:
            self.go_on()
            for container in engine.call("GET", "/containers/json", all=1) or []:
                engine.call("DELETE", f"/containers/{container['Id']}", force=1)
            engine.call("POST", "/networks/prune")
            self.signal("TERM")
            self._process.wait(timeout=PATIENCE)
        as_root("sh", "-c", f"kill -KILL {' '.join(self._forgotten())} 2>/dev/null; true")
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for path in sorted((path for path in mounted if path.startswith(f"{self.folder}/")), reverse=True):
            as_root("umount", "--lazy", path)
        as_root("rm", "-rf", self.folder)

    def _forgotten(self):
        """Return what is left of containers that the engine was killed in the midst of starting."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                if self.namespace.encode() in words:
                    children = (process / "task" / process.name / "children").read_text().split()
                    found += [process.name, *children]
            except OSError:
                continue
        return found


def _lives(pid):
    try:
        status = Path(f"/proc/{int(pid)}/stat").read_text()
    except (OSError, ValueError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def as_root(*command):
    command = dockerd.as_root(*map(str, command))
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@contextmanager
def open_second_engine(folder):
    """Yield an engine that answers and has the test images."""
    engine.check_possible()
    engine.require("dockerd")
    engine.require_sudo()
    second = SecondEngine(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{second.socket}")
        try:
            trio.run(second.start)
            images.build()
            yield second
        finally:
            second.end()
