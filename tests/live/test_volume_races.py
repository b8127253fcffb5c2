"""Hostile code inside a real container against every route from outside, through the real daemon.

The container's user is root in it. It swaps folders and files for links that lead out, puts FIFOs where files
are read, hard links everything, moves trees that are being walked, replaces the parts of uploads, and fills
the disk within a bound. A canary lies beside the volume: it must be as it was, and no answer may hold what it
holds. ``LIGHTD_RACE_SECONDS`` is how long.
"""

import os
import random
import socket

import httpx
import pytest
import trio

from tests.contracts.api_checks import CHECKED
from tests.contracts.scene import SECRET, photograph
from tests.live.daemon import HEADERS

SECONDS = float(os.environ.get("LIGHTD_RACE_SECONDS", "20"))
CLIENTS = 10
ARCHIVES = 0.05
"""A process is started for each, and one at a time in a volume."""
TOLERATED = {503, 507}
"""Too many operations at once; the disk is as full as the tenant made it."""

SERVER = "races"

HOSTILE = r"""
loop() { while :; do "$@"; done 2>/dev/null; }
fresh() {
  rm -rf "$1"; mkdir -p "$1/nest"; echo honest > "$1/canary.txt"; echo honest > "$1/nest/canary.txt"
}
swap() {
  mv "$1" "$1.kept"; ln -s "$2" "$1"; ln -sfn "$3" "$1"; rm -f "$1"; mv "$1.kept" "$1"
  [ -d "$1/nest" ] || fresh "$1"; sleep 0.01
}
file() {
  rm -rf "$1"; echo honest > "$1"; sleep 0.01; rm -f "$1"; ln -s "$2" "$1"; rm -f "$1"; mkfifo "$1"
  rm -f "$1"; mkdir "$1"
}
hard() {
  ln -f f hard; ln -f d/canary.txt d/hard; ln -f /etc/passwd stolen; ln -f /proc/1/environ stolen; rm -f hard
}
tree() {
  mkdir -p t/a/b/c; ln -sfn ../../../../canary t/a/b/c/up
  mv t/a/b t/b; mv t/b t/a/b; mv t/a/b/c t/c; mv t/c t/a/b/c
}
parts() {
  for part in .lightd-*.part d/.lightd-*.part; do rm -rf "$part"; ln -s "$1/canary.txt" "$part"; done
  sleep 0.05
}
links() {
  ln -sfn "$1" out; ln -sfn ../canary up; ln -sfn /proc/1/root magic; ln -sfn self self; ln -sfn d/nest in
}
full() { dd if=/dev/zero of=filling bs=1048576 count=32; rm -f filling; sleep 0.5; }
cd /home/container
fresh d; fresh e
loop swap d "$1" ../canary &
loop swap e ../canary/nest / &
loop file f "$1/canary.txt" &
loop file g /etc/passwd &
loop hard &
loop tree &
loop parts "$1" &
loop full &
loop links "$1" &
echo Ready
wait
"""

NAMES = [
    "d", "e", "f", "g", "hard", "stolen", "out", "up", "magic", "self", "in", "t", "t/a/b/c", "t/a/b/c/up",
    "d/nest", "e/canary.txt", "out/canary.txt", "up/nest/egg.txt", "in/canary.txt", "d/hard", "mine.zip",
    "magic/etc/passwd", "filling", "mine", "d/mine", "e/new/deep/mine",
    *["f", "g", "d/canary.txt", "d/nest/canary.txt", "e/nest/canary.txt"] * 4,
]  # fmt: skip


@pytest.fixture
async def scene(daemon):
    """A volume with a hostile server in it, and the canary that lies beside."""
    canary = daemon.folder / "storage/volumes/canary"
    (canary / "nest").mkdir(parents=True)
    for folder in (canary, canary / "nest"):
        (folder / "canary.txt").write_text(SECRET)
        (folder / "egg.txt").write_text(SECRET)
        folder.chmod(0o777)
    before = photograph(canary)
    volume = await daemon.volume()
    await daemon.post(f"/volumes/{volume}/files", {"path": "hostile.sh", "content": HOSTILE})
    await daemon.create(
        SERVER,
        volume_id=volume,
        user="0:0",
        command=f"sh hostile.sh {canary}",
        start_pattern="Ready",
        limits={"memory": 256 << 20, "cpu": 1.0, "pids": 512},
    )
    assert (await daemon.power("start", SERVER))["status"] == "succeeded"
    yield daemon, volume
    assert photograph(canary) == before


class Client:
    """One that asks everything of any path, and looks at every answer."""

    def __init__(self, daemon, volume, seed):
        self.daemon = daemon
        self.volume = volume
        self.random = random.Random(seed)
        self.statuses = {}

    def name(self):
        return self.random.choice(NAMES)

    def pick(self):
        name, other = self.name(), self.name()
        rand = self.random
        body = bytes(rand.choice((0, 10, 100_000, 1_500_000)))
        piece = {
            "params": {"path": name, "upload": "u", "length": 20},
            "content": bytes(rand.choice((10, 20))),
        }
        quick = [
            lambda: ("POST", "/files", {"json": {"path": name, "content": "written"}}),
            lambda: ("POST", "/folders", {"json": {"path": name}}),
            lambda: ("POST", "/copy", {"json": {"source": name, "destination": other}}),
            lambda: ("POST", "/rename", {"json": {"source": name, "destination": other}}),
            lambda: ("POST", "/chmod", {"json": {"path": name, "mode": rand.choice(("777", "600", "755"))}}),
            lambda: ("GET", "/files", {"params": {"path": name}}),
            lambda: ("GET", "/files", {"params": {"path": "", "limit": 5}}),
            lambda: ("DELETE", "/files", {"json": {"paths": [name, other]}}),
            lambda: ("GET", "/files/content", {"params": {"path": name}, "headers": {"If-Match": "*"}}),
            lambda: ("GET", "/files/content", {"params": {"path": name}}),
            lambda: ("GET", "/files/content", {"params": {"path": name}, "headers": {"Range": "bytes=0-99"}}),
            lambda: ("HEAD", "/files/content", {"params": {"path": name}}),
            lambda: ("PUT", "/files/content", {"params": {"path": name}, "content": body}),
            lambda: ("PUT", "/files/content", piece),
            lambda: ("GET", "/files/upload", {"params": {"path": name, "upload": "u"}}),
            lambda: ("DELETE", "/files/upload", {"params": {"path": name, "upload": "u"}}),
        ]  # fmt: skip
        archives = [
            lambda: (
                "POST",
                "/compress",
                {"json": {"format": rand.choice(("zip", "tar")), "output_name": "mine", "sources": [name]}},
            ),
            lambda: ("POST", "/decompress", {"json": {"archive_path": "mine.zip", "destination": name}}),
            lambda: ("POST", "/decompress", {"json": {"archive_path": name, "destination": "e"}}),
        ]
        return rand.choice(archives if rand.random() < ARCHIVES else quick)()

    async def run(self, until):
        async with httpx.AsyncClient(
            headers=HEADERS, timeout=60, trust_env=False, event_hooks=CHECKED
        ) as http:
            while trio.current_time() < until:
                method, route, options = self.pick()
                answer = await http.request(
                    method, f"{self.daemon.url}/volumes/{self.volume}{route}", **options
                )
                said = (method, route, options.get("json") or options.get("params"), answer.status_code)
                assert answer.status_code < 500 or answer.status_code in TOLERATED, (said, answer.text)
                told = answer.content + str(answer.headers).encode()
                assert SECRET.encode() not in told, said
                assert b"egg.txt" not in told.replace(b"up/nest/egg.txt", b""), said
                assert b"root:" not in told, said
                assert socket.gethostname().encode() not in told, said
                key = (method, route, answer.status_code // 100)
                self.statuses[key] = self.statuses.get(key, 0) + 1


async def test_no_race_of_a_hostile_tenant_leads_out_of_its_volume(scene):
    daemon, volume = scene
    seed = random.SystemRandom().randrange(1 << 32)
    clients = [Client(daemon, volume, seed + number) for number in range(CLIENTS)]
    until = trio.current_time() + SECONDS
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.run, until)
    done = {}
    for client in clients:
        for (method, route, status), times in client.statuses.items():
            done.setdefault((method, route), {}).setdefault(status, 0)
            done[method, route][status] += times
    assert len(done) >= 14, f"seed {seed}: too few routes were tried: {done}"
    succeeded = {route for route, statuses in done.items() if 2 in statuses}
    assert len(succeeded) >= 13, f"seed {seed}: too few routes ever did anything: {done}"
    assert (await daemon.show(SERVER))["state"] == "running", "the hostile server died, and raced nobody"
    print(f"seed {seed}: {sum(sum(each.values()) for each in done.values())} requests: {done}")  # noqa: T201 - -s shows it


async def test_a_volume_is_deleted_that_its_tenant_still_filled_a_moment_ago(scene):
    daemon, volume = scene
    await daemon.call("DELETE", f"/volumes/{volume}", status=409)
    await daemon.call("DELETE", f"/containers/{SERVER}")
    await daemon.call("DELETE", f"/volumes/{volume}")
    folders = daemon.folder / "storage/volumes"
    with trio.fail_after(30):
        while [path.name for path in folders.iterdir()] != ["canary"]:
            await trio.sleep(0.05)
    assert daemon.in_docker() == {}
