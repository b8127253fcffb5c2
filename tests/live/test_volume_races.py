"""Hostile code inside a real container against every route from outside, through the real daemon.

The container's user is root in it. It swaps folders and files for links that lead out, puts FIFOs where files
are read, hard links everything, moves trees that are being walked, replaces the parts of uploads, and fills
the disk within a bound. A canary lies beside the volume: it must be as it was, and neither an answer nor a
file of the volume, packed or not, may hold what it holds. ``LIGHTD_RACE_SECONDS`` is how long.
"""

import itertools
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
import trio

from lightd.http.routes import table
from tests.support.daemon import open_client
from tests.support.scene import SECRET, photograph

SECONDS = float(os.environ.get("LIGHTD_RACE_SECONDS", "20"))
LONGER = 60
"""Seconds more at most, until every route has done something."""
CLIENTS = 10
ARCHIVES = 0.05
"""A process is started for each, and one at a time in a volume."""
FORMATS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.zst")
PLENTY = (4096, 8192)
"""Sizes of which the tenant never has as much as would have his server stopped."""
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
  for part in .lightd-*.* d/.lightd-*.*; do rm -rf "$part"; ln -s "$1/canary.txt" "$part"; done
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
    "mine.tar", "mine.tar.gz", "magic/etc/passwd", "filling", "mine", "d/mine", "e/new/deep/mine",
    *["f", "g", "d/canary.txt", "d/nest/canary.txt", "e/nest/canary.txt"] * 4,
]  # fmt: skip


@pytest.fixture
async def race(daemon):
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


ROUTES = {("HEAD", "/files/content")} | {
    (route.method, route.rule.removeprefix("/volumes/<volume_id>"))
    for route in table.ROUTES
    if route.rule.startswith("/volumes/<volume_id>")
}
"""Every route of a volume that there is."""
SPARE = 4
"""Descriptors that may be opened at any time: a connection to the engine, one of the test's own."""
NEVER = {("DELETE", "")}
"""A volume that is used stays."""


class Client:
    """One that asks everything of any path, and looks at every answer."""

    def __init__(self, daemon, volume, seed):
        self.daemon = daemon
        self.volume = volume
        self.random = random.Random(seed)
        self.operation = "none"
        self.statuses = {}

    def name(self):
        return self.random.choice(NAMES)

    def pick(self):
        """A request: its method, its route, and what goes with it."""
        if self.random.random() < ARCHIVES:
            return self.random.choice([self._compress, self._decompress])()
        if self.operation != "none" and self.random.random() < 0.3:
            return self.random.choice(("GET", "DELETE")), "/operations/<operation_id>", {}
        return self.random.choice([self._change, self._read, self._transfer, self._look])()

    def _compress(self):
        body = {"format": self.random.choice(FORMATS), "output_name": "mine", "sources": [self.name()]}
        if self.random.random() < 0.2:
            del body["sources"]
        return "POST", "/compress", {"json": body, "params": self._wait()}

    def _decompress(self):
        pairs = [("mine.zip", self.name()), ("mine.tar", self.name()), (self.name(), "e")]
        archive, destination = self.random.choice(pairs)
        body = {"archive_path": archive, "destination": destination}
        return "POST", "/decompress", {"json": body, "params": self._wait()}

    def _wait(self):
        return self.random.choice(({}, {}, {"wait": 0}))

    def _change(self):
        name, other, mode = self.name(), self.name(), self.random.choice(("777", "600", "755"))
        return self.random.choice(
            [
                ("POST", "/files", {"json": {"path": name, "content": "written"}}),
                ("POST", "/folders", {"json": {"path": name}}),
                ("POST", "/copy", {"json": {"source": name, "destination": other}}),
                ("POST", "/rename", {"json": {"source": name, "destination": other}}),
                ("POST", "/chmod", {"json": {"path": name, "mode": mode}}),
                ("DELETE", "/files", {"json": {"paths": [name, other]}}),
            ]
        )

    def _read(self):
        at = {"params": {"path": self.name()}}
        return self.random.choice(
            [
                ("GET", "/files", at),
                ("GET", "/files", {"params": {"path": "", "limit": 5}}),
                ("GET", "/files/content", at),
                ("GET", "/files/content", {**at, "headers": {"If-Match": "*"}}),
                ("GET", "/files/content", {**at, "headers": {"Range": "bytes=0-99"}}),
                ("HEAD", "/files/content", at),
            ]
        )

    def _transfer(self):
        name, rand = self.name(), self.random
        upload = {"path": name, "upload": "u"}
        piece = {**upload, "length": 20, "offset": rand.choice((0, 10))}
        return rand.choice(
            [
                ("PUT", "/files/content", {"params": {"path": name}, "content": self._body()}),
                (
                    "PUT",
                    "/files/content",
                    {"params": {"path": name}, "content": b"new", "headers": {"If-None-Match": "*"}},
                ),
                ("PUT", "/files/content", {"params": piece, "content": bytes(10)}),
                ("GET", "/files/upload", {"params": upload}),
                ("DELETE", "/files/upload", {"params": upload}),
            ]
        )

    def _body(self):
        return bytes(self.random.choice((0, 10, 100_000, 1_500_000)))

    def _look(self):
        return self.random.choice(
            [
                ("GET", "", {}),
                ("DELETE", "", {}),
                ("GET", "/operations", {}),
                ("GET", "/quota", {}),
                ("POST", "/resize", {"json": {"size": self.random.choice(PLENTY)}}),
            ]
        )

    async def run(self, until, succeeded):
        async with open_client() as http:
            while (now := trio.current_time()) < until or (
                now < until + LONGER and succeeded < ROUTES - NEVER
            ):
                method, route, options = self.pick()
                if await self._ask(http, method, route, options) < 300:
                    succeeded.add((method, route))

    async def _ask(self, http, method, route, options):
        url = f"{self.daemon.url}/volumes/{self.volume}{route}".replace("<operation_id>", self.operation)
        answer = await http.request(method, url, **options)
        said = (method, route, options.get("json") or options.get("params"), answer.status_code)
        assert answer.status_code < 500 or answer.status_code in TOLERATED, (said, answer.text)
        told = answer.content + str(answer.headers).encode()
        assert SECRET.encode() not in told, said
        assert b"egg.txt" not in told.replace(b"up/nest/egg.txt", b""), said
        assert b"root:" not in told, said
        assert b'"sbin"' not in told, said  # as in a list of the host's root
        if b'"status":"pending"' in answer.content and "operations" not in route:
            self.operation = answer.json()["operation_id"]
        elif method == "DELETE" and "operation" in route:
            self.operation = "none"
        key = (method, route, answer.status_code // 100)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        return answer.status_code


def contents(path):
    """The bytes of a file, and those of every file that is packed in it."""
    yield path.read_bytes()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from map(archive.read, archive.namelist())
        elif path.suffix in (".tar", ".gz", ".bz2"):
            with tarfile.open(path) as archive:
                yield from (archive.extractfile(entry).read() for entry in archive if entry.isreg())
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError):
        return  # the tenant's own file under that name


def check_volume_holds_nothing_from_outside(volume):
    """No file of the volume holds what lies outside; its archives don't either."""
    for folder, _, names in os.walk(volume):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink() or not path.is_file():
                continue
            for content in contents(path):
                assert SECRET.encode() not in content, path
                assert b"root:" not in content, path


def held_by(process):
    """How many descriptors a process has, and which processes of its own."""
    of = Path(f"/proc/{process.pid}")
    return len(list((of / "fd").iterdir())), (of / f"task/{process.pid}/children").read_text().split()


async def test_no_race_of_a_hostile_tenant_leads_out_of_its_volume(race):
    daemon, volume = race
    descriptors, children = held_by(daemon.process)
    seed = random.SystemRandom().randrange(1 << 32)
    clients = [Client(daemon, volume, seed + number) for number in range(CLIENTS)]
    until, succeeded = trio.current_time() + SECONDS, set()
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.run, until, succeeded)
    done = {}
    for (method, route, status), times in itertools.chain(*(each.statuses.items() for each in clients)):
        statuses = done.setdefault((method, route), {})
        statuses[status] = statuses.get(status, 0) + times
    assert done.keys() == ROUTES, f"seed {seed}: not every route was tried: {done}"
    assert succeeded == ROUTES - NEVER, f"seed {seed}: not every route ever did anything: {done}"
    assert (await daemon.show(SERVER))["state"] == "running", "the hostile server died, and raced nobody"
    await daemon.power("kill", SERVER)
    with trio.fail_after(LONGER):
        while (held := held_by(daemon.process))[0] > descriptors + SPARE or held[1] != children:
            await trio.sleep(0.1)
    check_volume_holds_nothing_from_outside(daemon.folder / "storage/volumes" / volume)
    print(f"seed {seed}: {sum(sum(each.values()) for each in done.values())} requests: {done}")  # noqa: T201 - -s shows it


async def test_volume_is_deleted_that_its_tenant_still_filled_a_moment_ago(race):
    daemon, volume = race
    await daemon.call("DELETE", f"/volumes/{volume}", status=409)
    await daemon.call("DELETE", f"/containers/{SERVER}")
    await daemon.call("DELETE", f"/volumes/{volume}")
    folders = daemon.folder / "storage/volumes"
    with trio.fail_after(30):
        while [path.name for path in folders.iterdir()] != ["canary"]:
            await trio.sleep(0.05)
    assert daemon.in_docker() == {}
