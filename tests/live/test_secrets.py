"""A daemon through a busy life with secrets that are easy to find, and where they were found: nowhere."""

import json
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from tests.rig import engine
from tests.support.client import upgrade
from tests.support.daemon import HEADERS, NO_AUTHORITIES, PATIENCE, Daemon

MASTER = "lightd_MASTER-xyzzy-5d41402abc4b"
NEXT_MASTER = "lightd_SECOND-xyzzy-7d793037a076"
PANEL = "lightd_PANEL-xyzzy-98f13708210194"
IN_ENVIRONMENT = "ENVIRONMENT-xyzzy-c4ca4238a0b923"
TOKENS = (MASTER, NEXT_MASTER, PANEL)
LISTENING = re.compile(rb"listening on (http://[0-9.:]+)")

# The real command, telling all it can; two of its routes have a bug that repeats what it should not.
DAEMON = """
import logging, sys
logging.INFO = logging.DEBUG
from lightd.cli import main
from lightd.http.routes import remote

def broken(system, *_):
    config = system.config
    raise RuntimeError(f"a bug with {config.authorization.token}, Bearer {config.remote.token}, {config!r}")

remote.to_status = broken
sys.exit(main.main(sys.argv[1:]))
"""


@attrs.define
class Watched(Daemon):
    """A daemon whose answers and whose children are kept."""

    format: str = "json"
    token: str = MASTER
    answers: list = attrs.field(factory=list)
    processes: dict = attrs.field(factory=dict)
    minted: str = ""

    async def start(self):
        command = [
            sys.executable,
            "-c",
            DAEMON,
            "serve",
            "--config",
            self.config,
            "--log-format",
            self.format,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=self.folder)
        with trio.fail_after(PATIENCE):
            while not (found := LISTENING.findall(self.log.read_bytes())):
                assert self.process.poll() is None, self.log.read_text()[-4000:]
                await trio.sleep(0.02)
        self.url = found[-1].decode()

    async def ask(self, method, path, *, token=None, **options):
        headers = {**HEADERS, "Authorization": f"Bearer {token or self.token}"}
        async with httpx.AsyncClient(
            headers=headers, timeout=PATIENCE, trust_env=False, verify=NO_AUTHORITIES
        ) as client:
            answer = await client.request(method, self.url + path, **options)
        self.answers.append(f"{answer.headers} {answer.text}")
        return answer

    async def handshake(self, path, **headers):
        where = httpx.URL(self.url)
        async with await trio.open_tcp_stream(where.host, where.port) as stream:
            await stream.send_all(upgrade(path, **headers))
            with trio.move_on_after(0.3):
                while part := await stream.receive_some():
                    self.answers.append(part.decode(errors="replace"))

    async def look_at_processes(self):
        """Note what everybody on this machine may read of the daemon's processes."""
        while True:
            for pid in _family(self.process.pid):
                for name in ("cmdline", "environ"):
                    found = _read(Path(f"/proc/{pid}/{name}"))
                    self.processes.setdefault(pid, set()).add(found)
            await trio.sleep(0.02)


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _family(pid):
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            found += _family(int(child))
    return found


@pytest.fixture(params=["json", "console"])
async def watched_daemon(docker, tmp_path, request):
    settings = {
        "authorization": {"enabled": True, "token": MASTER},
        "remote": {"enabled": True, "url": "http://127.0.0.1:9/api", "token": PANEL, "sync_config": True},
    }
    daemon = Watched(tmp_path, settings=settings, format=request.param)
    try:
        await daemon.start()
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)


async def live(daemon):
    """All that happens to a daemon in a week, and some of what should not."""
    internal_id = f"secret-{uuid.uuid4().hex[:8]}"
    with trio.fail_after(PATIENCE):
        while (made := await daemon.ask("POST", "/volumes")).status_code != 201:
            await trio.sleep(0.1)
    volume = made.json()["volume_id"]
    body = {
        "internal_id": internal_id,
        "image": engine.IMAGE,
        "volume_id": volume,
        "startup_command": "stdin-echo",
        "environment": {"RCON_PASSWORD": IN_ENVIRONMENT},
    }
    with trio.fail_after(PATIENCE):
        while (await daemon.ask("POST", "/containers?wait=60", json=body)).status_code == 503:
            await trio.sleep(0.1)
    here = f"/containers/{internal_id}"
    for action in ("start", "restart", "stop"):
        assert (await daemon.ask("POST", f"{here}/{action}?wait=60")).json()["status"] == "succeeded"
    await daemon.ask("POST", f"/volumes/{volume}/files", json={"path": "a.txt", "content": "x" * 100_000})
    await daemon.ask("POST", f"/volumes/{volume}/compress", json={"format": "zip", "output_name": "a.zip"})
    broken = {"environment": {"A B": IN_ENVIRONMENT}}
    await daemon.ask("POST", "/containers", json={**body, "internal_id": "x", **broken})
    await daemon.ask(
        "POST", "/containers", json={**body, "image": "no/such-image", "internal_id": f"{internal_id}-b"}
    )
    await daemon.ask("POST", "/containers", content=f'{{"token": "{MASTER}", "image": {PANEL}')
    await daemon.ask("PATCH", here, json={"environment": {"RCON_PASSWORD": f"{IN_ENVIRONMENT}-2"}})
    await intrude(daemon, internal_id)
    await break_down(daemon)


async def intrude(daemon, internal_id):
    daemon.minted = (await daemon.ask("POST", "/auth/tokens", json={"ttl": "1h"})).json()["token"]
    daemon.answers.pop()  # the one that has it
    assert (await daemon.ask("GET", "/containers", token=daemon.minted)).status_code == 200
    assert (await daemon.ask("GET", "/auth/tokens")).status_code == 200
    assert (await daemon.ask("DELETE", f"/auth/tokens/{daemon.minted}")).status_code >= 400
    await daemon.handshake(f"/ws/{internal_id}?token={daemon.minted}")
    for wrong in (f"{MASTER}x", MASTER[:-1], PANEL, f"{MASTER} {PANEL}", MASTER.upper()):
        assert (await daemon.ask("GET", "/containers", token=wrong)).status_code == 401
    for path in (f"/nowhere/{MASTER}", f"/containers?token={MASTER}", f"/containers/{PANEL}", f"/{PANEL}?x"):
        assert (await daemon.ask("GET", path)).status_code >= 400
    await daemon.handshake(f"/ws/{internal_id}?token={MASTER}")
    await daemon.handshake(f"/ws/{internal_id}?token={MASTER}x")
    await daemon.handshake(f"/ws/{MASTER}?token={MASTER}")
    await daemon.handshake(f"/ws/{internal_id}", sec_websocket_protocol=f"lightd.{PANEL}")
    await daemon.handshake(f"/ws/{internal_id}?token={MASTER}&odd={PANEL}")


async def break_down(daemon):
    assert (await daemon.ask("GET", "/remote/status")).status_code == 500
    assert (await daemon.ask("GET", "/remote/config")).status_code == 200
    whole = json.loads(daemon.config.read_text())
    for wrong in (
        {**whole, "node": f"{MASTER} {PANEL}"},
        {**whole, "authorization": MASTER, "remote": {**whole["remote"], "url": f"http://{PANEL}@x"}},
        {**whole, MASTER: PANEL},
    ):
        daemon.config.write_text(json.dumps(wrong))
        assert (await daemon.ask("POST", "/remote/config/reload")).status_code == 400
        daemon.process.send_signal(signal.SIGHUP)
        await trio.sleep(0.1)
    daemon.config.write_text(json.dumps({**whole, "authorization": {"enabled": True, "token": NEXT_MASTER}}))
    assert (await daemon.ask("POST", "/remote/config/reload")).status_code == 200
    daemon.token = NEXT_MASTER
    assert (await daemon.ask("GET", "/containers", token=MASTER)).status_code == 401
    assert (await daemon.ask("GET", "/containers")).status_code == 200


async def test_secret_is_in_no_log_no_answer_no_process_and_no_record(watched_daemon):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched_daemon.look_at_processes)
        await live(watched_daemon)
        nursery.cancel_scope.cancel()
    assert watched_daemon.stop() == 0

    tokens = (*TOKENS, watched_daemon.minted)
    log = watched_daemon.log.read_text()
    assert "a bug with lightd_" in log  # the bug was met, and what it told was masked
    assert "Traceback" in log
    assert [secret for secret in (*tokens, IN_ENVIRONMENT) if secret in log] == []
    said = "\n".join(each for each in watched_daemon.answers if "RCON_PASSWORD" not in each)
    assert [each for each in watched_daemon.answers if any(token in each for token in tokens)] == []
    assert IN_ENVIRONMENT not in said
    assert len(watched_daemon.processes) > 1  # the archive had one of its own
    seen = b"".join(text for texts in watched_daemon.processes.values() for text in texts).decode(
        errors="replace"
    )
    assert [secret for secret in (*tokens, IN_ENVIRONMENT) if secret in seen] == []
    kept = {
        path: path.read_bytes() for path in (watched_daemon.folder / "storage").rglob("*") if path.is_file()
    }
    assert any(path.name == "lightd.db" for path in kept)
    assert [path for path, text in kept.items() if any(token.encode() in text for token in tokens)] == []
