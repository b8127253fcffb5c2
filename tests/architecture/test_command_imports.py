"""What a command loads before it is done: each module takes time at every prompt."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.fork_server import to_unmeasured

HEAVY = {
    "actors.kernel.actor",
    "aiodocker",
    "aiohttp",
    "asyncio",
    "cattrs",
    "h11",
    "httpx",
    "hypercorn",
    "importlib.metadata",
    "lightd.daemon",
    "lightd.http",
    "lightd.journal",
    "logging",
    "quart",
    "rich",
    "sqlite3",
    "trio",
    "trio_websocket",
}


class Daemon(BaseHTTPRequestHandler):
    """Answers every request as a daemon with one container that is in order."""

    def do_GET(self):
        row = {"internal_id": "s1", "image": "x", "state": "running", "install_state": "ready", "ports": []}
        self.answer({"containers": [row], "lines": [], "events": [], "next": 0})

    def do_POST(self):
        self.answer({"status": "succeeded"})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = HTTPServer(("127.0.0.1", 0), Daemon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def imported(url, tmp_path):
    """Run the command; return its exit code and the modules that it imported."""
    token = tmp_path / "token"
    token.write_text("lightd_0123456789abcdef")
    token.chmod(0o600)
    where = ["--url", url, "--token-file", str(token)]

    def run(*arguments, **environ):
        line = [sys.executable, "-X", "importtime", "-m", "lightd", *arguments, *where]
        if environ:
            text = f"lightd {arguments[0]} {' '.join(where)} s"
            environ |= {"COMP_LINE": text, "COMP_POINT": str(len(text)), "_ARGCOMPLETE_IFS": "\n"}
        environ = {**to_unmeasured(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environ}
        done = subprocess.run(line, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        names = [text.rpartition("|")[2].strip() for text in done.stderr.splitlines() if "|" in text]
        return done.returncode, set(names)

    return run


@pytest.mark.parametrize(
    "line", ["ps", "logs s1", "events s1", "start s1", "stop s1 s2"], ids=lambda line: line.replace(" ", "-")
)
def test_command_that_only_asks_loads_no_event_loop_and_no_part_of_the_daemon(imported, line):
    code, names = imported(*line.split())
    assert code == 0
    assert "lightd.cli.commands.client" in names
    assert names & HEAVY == set()


def test_completion_of_a_container_loads_no_event_loop_and_no_part_of_the_daemon(imported, tmp_path):
    code, names = imported("stop", _ARGCOMPLETE="1", _ARGCOMPLETE_STDOUT_FILENAME=str(tmp_path / "words"))
    assert (code, (tmp_path / "words").read_text().strip()) == (0, "s1")
    assert names & HEAVY == set()
