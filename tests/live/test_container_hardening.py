"""What a container can't do, tried from inside of one: as the server's user, as root, and as an installer."""

import http.client
import os
import platform
import socket
import subprocess
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from lightd.engines.docker import recipe
from tests.rig import engine
from tests.support.daemon import PATIENCE, USER, Daemon, inspect
from tests.support.elf import to_program

CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7}
"""The numbers of capabilities(7)."""

PREFIX = "hard-"
PLAIN, ROOT, NEIGHBOUR = PREFIX + "plain", PREFIX + "root", PREFIX + "neighbour"
MEMORY = 64 * 1024 * 1024
NEIGHBOUR_PORT = 8080
DEVICES = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"}
DEVICES |= {"stderr", "stdin", "stdout", "tty", "urandom", "zero"}


def to_mask(names):
    return sum(1 << CAPABILITIES[name] for name in names)


@attrs.define
class Shell:
    """A shell that runs as a server: commands go to its stdin, what they print comes off its console."""

    daemon: Daemon
    internal_id: str

    async def run(self, command):
        """Return what one line of shell printed, and its exit code."""
        async with self.daemon.console(self.internal_id) as console:
            await console.send("send_command", command=f"{{ {command}; }} 2>&1; echo ::$?::")
            await console.until("console", "::")
            text = console.text
            while not text.rstrip().endswith("::"):
                await console.until("console")
                text = console.text
        printed, code, _ = text.rsplit("::", 2)
        return printed, int(code)


@pytest.fixture(scope="module")
def hardened(docker, tmp_path_factory):
    """A daemon that listens everywhere, with two shells and a neighbour that serves."""
    daemon = Daemon(tmp_path_factory.mktemp("hard"), settings={"server": {"host": "0.0.0.0", "port": 0}})

    async def begin():
        await daemon.start()
        daemon.url = daemon.url.replace("0.0.0.0", "127.0.0.1")
        await daemon.engine_up()
        limits = {"memory": MEMORY, "pids": 64}
        await daemon.create(PLAIN, "sh", tty=False, limits=limits)
        await daemon.create(ROOT, "sh", tty=False, limits=limits, user="0:0")
        await daemon.create(NEIGHBOUR, f"http-server {NEIGHBOUR_PORT}", start_pattern="Ready")
        for internal_id in (PLAIN, ROOT, NEIGHBOUR):
            assert (await daemon.power("start", internal_id))["status"] == "succeeded"

    try:
        trio.run(begin)
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)


@pytest.fixture
def plain(hardened):
    return Shell(hardened, PLAIN)


@pytest.fixture
def as_root(hardened):
    return Shell(hardened, ROOT)


def to_status(text):
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def check_confined(status, capabilities, *, root):
    """The status of a process (proc(5)) is that of one with ``capabilities`` and no way to others."""
    mask = to_mask(capabilities)
    assert int(status["CapBnd"], 16) == mask
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == (mask if root else 0)
    assert int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"  # filtered


async def test_server_has_exactly_the_documented_capabilities(plain, as_root):
    for shell, uid in ((plain, USER.partition(":")[0]), (as_root, "0")):
        status = to_status((await shell.run("cat /proc/self/status"))[0])
        check_confined(status, recipe.SERVER_CAPABILITIES, root=uid == "0")
        assert status["Uid"].split() == [uid] * 4


@pytest.mark.parametrize("own_image", [False, True])
async def test_installer_has_exactly_the_documented_capabilities_and_its_folder_read_only(
    hardened, own_image
):
    volume = await hardened.volume()
    script = (
        "cat /proc/self/status >status; echo x >/app/data/install.sh || echo refused >data; mknod d b 8 0"
    )
    if own_image:
        script += "; echo x >/mnt/install/install.sh && touch written; true"
        installer = {"install": {"image": engine.IMAGE, "script": script}}
    else:
        installer = {"install_script": script + "; true"}
    await hardened.create(f"{PREFIX}installed-{int(own_image)}", volume_id=volume, **installer)
    folder = hardened.folder / "storage/volumes" / volume
    status = to_status((folder / "status").read_text())
    check_confined(status, recipe.INSTALLER_CAPABILITIES, root=True)
    assert status["Uid"].split() == ["0"] * 4
    assert (folder / "data").read_text() == "refused\n"
    assert not (folder / "d").exists()
    assert not (folder / "written").exists()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is in this machine's language")
async def test_set_uid_program_gains_nothing(hardened, plain):
    plant(hardened.folder / "storage/volumes" / (await hardened.show(PLAIN))["volume_id"] / "who")
    _, code = await plain.run("/home/container/who")
    assert code == int(USER.partition(":")[0]) & 0xFF


def plant(program):
    """Make a set-uid program of root's at a path, and see that it works."""
    program.write_bytes(to_program_that_exits_with_its_effective_uid())
    program.chmod(0o4755)
    assert (program.stat().st_uid, program.stat().st_mode & 0o7777) == (0, 0o4755)
    assert subprocess.run([program], check=False).returncode == os.geteuid()


def to_program_that_exits_with_its_effective_uid():
    """A static ELF: busybox, which the image is made of, gives a set-uid bit up by itself."""
    # mov eax, 107 (geteuid); syscall; mov edi, eax; mov eax, 60 (exit); syscall
    return to_program(bytes.fromhex("b86b0000000f0589c7b83c0000000f05"))


async def test_start_files_of_a_server_can_not_be_written_by_its_root_either(plain, as_root):
    for shell in (plain, as_root):
        for attempt in (
            "echo x >/app/data/entrypoint.sh",
            "touch /app/data/new",
            "rm /app/data/entrypoint.sh",
            "mount -o remount,rw /app/data",
        ):
            assert (await shell.run(attempt))[1] != 0, attempt


async def test_kernel_s_files_are_out_of_reach_of_root(as_root):
    for attempt in (
        "echo x >/proc/sys/kernel/core_pattern",
        "echo x >/proc/sysrq-trigger",
        "echo x >/sys/kernel/uevent_helper",
        "if [ -d /sys/fs/cgroup/pids ]; then mkdir /sys/fs/cgroup/pids/x; else mkdir /sys/fs/cgroup/x; fi",
        "mount -t tmpfs none /mnt",
        "mknod /tmp/d b 8 0",
        "chroot / true",
        "hostname other",
        "kill -0 $(cat /proc/sys/kernel/ns_last_pid)0",
    ):
        assert (await as_root.run(attempt))[1] != 0, attempt
    for masked in ("/proc/kcore", "/proc/keys", "/proc/timer_list"):
        printed, _ = await as_root.run(f"head -c 16 {masked} | wc -c")
        assert printed.split()[-1] == "0", masked


async def test_no_device_of_the_host_and_no_socket_of_docker_is_there(as_root):
    devices, _ = await as_root.run("ls /dev")
    assert set(devices.split()) <= DEVICES
    found, _ = await as_root.run(
        "find / -xdev -type s; find / -path /proc -prune -o -name 'docker*.sock' -print"
    )
    assert found == ""
    mounted, _ = await as_root.run("cut -d' ' -f2 /proc/mounts")
    assert "/home/container" in mounted.split()
    assert not [path for path in mounted.split() if path.endswith(".sock")]
    processes, _ = await as_root.run("ls /proc | grep -c '^[0-9]'")
    assert int(processes) < 10  # its own alone


async def test_swap_is_no_more_memory_and_logs_are_rotated(hardened):
    for internal_id in (PLAIN, NEIGHBOUR):
        host = inspect(internal_id)["HostConfig"]
        assert host["LogConfig"] == {
            "Type": "local",
            "Config": {"max-size": "5m", "max-file": "2", "compress": "false", "mode": "blocking"},
        }
        assert host["Privileged"] is False
        assert not host["Devices"]
        assert host["OomScoreAdj"] == recipe.OOM_SCORE
        assert host["RestartPolicy"]["Name"] == "no"
    host = inspect(PLAIN)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == MEMORY
    assert inspect(NEIGHBOUR)["HostConfig"]["PidsLimit"] == recipe.SERVER_PIDS


# ---- the network


def address_of(internal_id):
    return inspect(internal_id)["NetworkSettings"]["Networks"][recipe.NETWORK]["IPAddress"]


def gateway():
    [found] = engine.call("GET", f"/networks/{recipe.NETWORK}")["IPAM"]["Config"]
    return found["Gateway"]


def host_addresses():
    """Addresses at which a container finds its host: the bridge's, and the one that faces the world."""
    found = {gateway()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as world:
        try:
            world.connect(("192.0.2.1", 9))
            found.add(world.getsockname()[0])
        except OSError:
            pass  # no way out of here
    return sorted(found)


@contextmanager
def serving_beside():
    """Another program of the host's that listens everywhere: what would come of it without lightd's door."""
    with socket.create_server(("0.0.0.0", 0)) as listener:

        def serve():
            try:
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(1000)
                        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def to_fetch(host, port, path="/"):
    """A line of shell that prints an answer's last line; wget of a static busybox may crash on addresses."""
    return f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port} | tail -n 1"


async def test_no_container_reaches_lightd_by_any_address_of_its_host(hardened, plain, as_root):
    port = int(hardened.url.rpartition(":")[2])
    with serving_beside() as other:
        for host in host_addresses():
            for shell in (plain, as_root):
                assert await shell.run(to_fetch(host, other)) == ("hello", 0), host
                printed, _ = await shell.run(to_fetch(host, port, "/api/v1/public/ping"))
                assert printed == "" or "reset by peer" in printed, host
    assert (
        f"rejected a connection from {address_of(PLAIN)}, which is the address of a container"
        in hardened.log.read_text()
    )


async def test_host_itself_reaches_lightd_by_the_bridge_s_address(hardened):
    port = hardened.url.rpartition(":")[2]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(f"http://{gateway()}:{port}/api/v1/public/ping")
    assert answer.status_code == 200


async def test_no_container_reaches_another(hardened, plain, as_root):
    neighbour = address_of(NEIGHBOUR)
    said = await trio.to_thread.run_sync(fetch, neighbour, NEIGHBOUR_PORT)
    assert said == f"hello from {NEIGHBOUR_PORT}\n"  # it serves, and its host may see it
    for shell in (plain, as_root):
        assert "nc: timed out" in (await shell.run(to_fetch(neighbour, NEIGHBOUR_PORT)))[0]


async def test_no_name_of_a_neighbour_is_learnt(hardened, plain, as_root):
    neighbour = address_of(NEIGHBOUR)
    for shell in (plain, as_root):
        said, _ = await shell.run("cat /etc/resolv.conf /etc/hosts")
        assert "127.0.0.11" not in said
        for asked in (neighbour, address_of(PLAIN), f"lightd-{NEIGHBOUR}", inspect(NEIGHBOUR)["Id"][:12]):
            for resolver in ("127.0.0.11", ""):
                said, _ = await shell.run(
                    f"timeout 3 nslookup {asked} {resolver} | grep -v {resolver or 'x.x'}"
                )
                assert f"lightd-{NEIGHBOUR}." not in said, asked
                assert "name = " not in said, said
                assert neighbour not in said.replace(f"lookup {neighbour}", ""), said
        said, _ = await shell.run("cat /proc/net/arp /proc/self/mountinfo /proc/1/environ; hostname")
        assert NEIGHBOUR not in said


def fetch(host, port):
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


# ---- those who take too much


@asynccontextmanager
async def unharmed(node):
    """The daemon and the neighbour are there throughout, and the neighbour's process is the same one."""
    before = inspect(NEIGHBOUR)["State"]["Pid"]
    yield
    assert (await node.get("/containers/" + NEIGHBOUR))["state"] == "running"
    assert inspect(NEIGHBOUR)["State"]["Pid"] == before
    assert await trio.to_thread.run_sync(fetch, address_of(NEIGHBOUR), NEIGHBOUR_PORT)
    assert (await node.get("/api/v1/public/ping"))["status"] == "ok"


def cgroup_of(internal_id):
    """The control group of a container that limits its processes, of whichever version."""
    lines = Path(f"/proc/{inspect(internal_id)['State']['Pid']}/cgroup").read_text().splitlines()
    found = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    return Path("/sys/fs/cgroup/pids" + found["pids"] if "pids" in found else "/sys/fs/cgroup" + found[""])


async def test_fork_bomb_is_held_and_can_be_killed(hardened):
    bomb = PREFIX + "bomb"
    command = "sh -c 'echo Ready; b() { while :; do b & done; }; b & exec sleep 1000'"
    limits = {"memory": MEMORY, "pids": 40, "cpu": 0.5}
    async with unharmed(hardened):
        await hardened.create(bomb, command, start_pattern="Ready", limits=limits)
        assert (await hardened.power("start", bomb))["status"] == "succeeded"
        group = await trio.to_thread.run_sync(cgroup_of, bomb)
        try:
            with trio.fail_after(PATIENCE):
                while "max 0" in await trio.Path(group / "pids.events").read_text():
                    await trio.sleep(0.05)
            async with unharmed(hardened):
                assert int(await trio.Path(group / "pids.current").read_text()) <= 40
        finally:
            killed = await hardened.power("kill", bomb)
        assert killed["status"] == "succeeded"
        shown = await hardened.show(bomb)
        assert (shown["state"], shown["exit"]["code"]) == ("offline", 137)
        assert not group.exists()


async def test_memory_hog_is_killed_alone(hardened):
    hog = PREFIX + "hog"
    async with unharmed(hardened):
        await hardened.create(hog, "memory-hog", limits={"memory": 32 * 1024 * 1024})
        async with hardened.console(hog) as console:
            await hardened.power("start", hog, wait=0)
            ended = await console.until("event", "exit")
        assert (ended["oom_killed"], ended["crashed"]) == (True, True)
        assert (await hardened.show(hog))["exit"]["oom_killed"] is True
        assert inspect(hog)["State"]["OOMKilled"] is True
        assert inspect(NEIGHBOUR)["State"]["OOMKilled"] is False
