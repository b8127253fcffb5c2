"""Stand-ins for systemd, which isn't where tests run: ``systemctl``, ``journalctl`` and ``pidof`` on a PATH.

They do to a test's own daemon, and to a second engine, what systemd does with the unit in ``config/``: each
hands its arguments to the test over a socket and prints what it is answered. What the real programs wouldn't
understand is refused.
"""

import configparser
import datetime as dt
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

ROOT = Path(__file__).parents[2]
CLIENT = """#!{python}
import json, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    asked.sendall(json.dumps([{name!r}, *sys.argv[1:]]).encode() + b"\\n")
    code, out, err = json.loads(asked.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
SPANS = {"h": 3600, "min": 60, "s": 1}


def read_unit(*drop_ins):
    """The unit of ``config/`` with these texts as its drop-ins: section, key, and the last value of each."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    unit.optionxform = str
    for text in ((ROOT / "config/lightd.service").read_text(), *drop_ins):
        unit.read_string(text)
    return unit


@attrs.frozen
class Refused(Exception):  # noqa: N818 - what the program says, and its exit code
    said: str
    code: int = 1


@attrs.define(eq=False)
class Systemd:
    """What manages the daemon and, where there is one, a ``second`` engine. Made by ``open_systemd``."""

    daemon: object
    second: object = None
    unit: configparser.ConfigParser = attrs.field(factory=read_unit)

    async def answer(self, program, *arguments):
        match program, *arguments:
            case "systemctl", "status", name:
                return self._status(name)
            case "systemctl", verb, "lightd":
                return await self._do(verb)
            case "systemctl", verb, "docker" if self.second is not None:
                return await self._do_to_engine(verb)
            case "journalctl", "-u", "lightd", *options:
                return self._journal(options)
            case "pidof", "dockerd" if self.second is not None:
                return f"{self.second.pid}\n"
        raise Refused(f"{program}: no such unit, or nothing that a page says: {arguments}")

    async def _do(self, verb):
        service = self.unit["Service"]
        match verb:
            case "reload":
                script, pid = service["ExecReload"], str(self.daemon.process.pid)
                await trio.run_process(["sh", "-c", script], env={"MAINPID": pid})
            case "stop":
                await self._stop(int(service["TimeoutStopSec"]))
            case "start":
                self._check_command(service["ExecStart"])
                await self.daemon.start()
            case "restart":
                await self._do("stop")
                await self._do("start")
            case _:
                raise Refused(f"systemctl: {verb}?")
        return ""

    async def _stop(self, seconds):
        self.daemon.process.terminate()
        with trio.fail_after(seconds):
            while self.daemon.process.poll() is None:
                await trio.sleep(0.02)
        assert self.daemon.process.returncode == 0

    def _check_command(self, command):
        """What the test starts is what the unit does, but for where it lies."""
        program, *arguments = shlex.split(command)
        assert Path(program).name == "lightd"
        assert arguments == [
            "serve",
            "--config",
            "/var/lib/lightd/config.json",
            "--log-format",
            "json",
        ]
        assert self.unit["Service"]["WorkingDirectory"] == "/var/lib/lightd"

    async def _do_to_engine(self, verb):
        match verb:
            case "reload":
                await self.second.reload()
            case "restart":
                await self.second.restart()
            case "start":
                await self.second.restart()
            case "stop":
                await self.second.stop()
            case _:
                raise Refused(f"systemctl: {verb}?")
        return ""

    def _status(self, name):
        lives = {
            "lightd": lambda: self.daemon.process.poll() is None,
            "docker": lambda: self.second is None or self.second.lives,
        }[name]()
        text = f"● {name}.service\n     Active: {'active (running)' if lives else 'inactive (dead)'}\n"
        return text if lives else (3, text)

    def _journal(self, options):
        since, bare = None, False
        while options:
            match options:
                case ["--since", span, *options]:
                    number, unit = re.fullmatch(r"-(\d+)(h|min|s)", span).groups()
                    since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=int(number) * SPANS[unit])
                case ["-o", "cat", *options]:
                    bare = True
                case ["-b", *options]:
                    pass
                case _:
                    raise Refused(f"journalctl: {options}?")
        head = f"Jan 01 00:00:00 node lightd[{self.daemon.process.pid}]: "
        kept = [
            line
            for line in self.daemon.log.read_text().splitlines()
            if since is None or dt.datetime.fromisoformat(json.loads(line)["ts"]) >= since
        ]
        return "".join(f"{'' if bare else head}{line}\n" for line in kept)


@asynccontextmanager
async def open_systemd(folder, daemon, second=None) -> AsyncIterator[Path]:
    """Yield the folder of the stand-ins, which work as long as this is open."""
    systemd, socket = Systemd(daemon, second), folder / "s"
    folder.mkdir()
    for name in ("systemctl", "journalctl", *(["pidof"] if second else [])):
        path = folder / name
        path.write_text(CLIENT.format(python=sys.executable, path=str(socket), name=name))
        path.chmod(0o755)

    async def serve(stream):
        async with stream:
            asked = b""
            while not asked.endswith(b"\n"):
                asked += await stream.receive_some()
            try:
                said = await systemd.answer(*json.loads(asked))
                code, out, err = (0, said, "") if isinstance(said, str) else (*said, "")
            except Refused as refusal:
                code, out, err = refusal.code, "", f"{refusal.said}\n"
            except subprocess.CalledProcessError as failed:
                code, out, err = failed.returncode, "", f"{failed}\n"
            await stream.send_all(json.dumps([code, out, err]).encode())

    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind(str(socket))
    listening.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(listening)])
        yield folder
        nursery.cancel_scope.cancel()
