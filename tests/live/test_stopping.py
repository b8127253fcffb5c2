"""How a daemon stops whose threads hang where nobody can wake them."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import trio

from tests.support.daemon import HEADERS, Daemon

HANGS = """
import sys, time
from lightd.cli import main
from lightd.files import listing

def hang(*_):
    print('{"message": "a thread hangs"}', file=sys.stderr, flush=True)
    time.sleep(3600)

listing._places = hang
sys.exit(main.main(sys.argv[1:]))
"""
LEEWAY = 20.0


class Hanging(Daemon):
    """A daemon in which every listing hangs, as on a disk that doesn't answer."""

    def _begin(self, arguments):
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", HANGS, *arguments]
            return subprocess.Popen(command, stderr=log, stdout=log, cwd=self.folder)


@contextmanager
def asking(daemon, path):
    """A client that asked for ``path``, and waits."""
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(": ".join(each) for each in HEADERS.items())]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        yield


async def test_stop_ends_within_seconds_though_threads_hang(tmp_path):
    daemon = Hanging(tmp_path, settings={"docker": {"engine": "process"}})
    await daemon.start()
    try:
        volume = await daemon.volume()
        with asking(daemon, f"/volumes/{volume}/files"):
            with trio.fail_after(LEEWAY):
                while "a thread hangs" not in daemon.log.read_text():
                    await trio.sleep(0.05)
            began = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(lambda: daemon.process.wait(10 + LEEWAY)) == 0
            assert time.monotonic() - began < 10 + LEEWAY
        assert "shutdown not finished after 9 seconds" in daemon.log.read_text()
        await daemon.start()  # the journal is as good as after any end
        assert [each["id"] for each in (await daemon.get("/volumes"))["volumes"]] == [volume]
    finally:
        daemon.kill()
