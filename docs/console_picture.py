"""Renders ``docs/images/console.svg``: a session in a terminal with a daemon of its own.

``python docs/console_picture.py`` runs the session and writes the picture; ``--check`` compares their lines.
The daemon uses local processes, so that neither Docker nor root is needed.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape, unescape
from pathlib import Path
from typing import Any, Final

import httpx

from lightd.http.credentials import MEDIA_TYPE

PICTURE: Final = Path(__file__).parent / "images/console.svg"
TOKEN: Final = "lightd_token-of-the-picture"  # noqa: S105 - of a daemon that ends with the script
COMMAND: Final = 'echo Loading world; echo Ready; while read -r line; do echo "got: $line"; done'
COLUMNS: Final = 88
ROWS: Final = 24
LIMIT: Final = 60.0  # seconds for one command
DETACH: Final = "\x1d"
STYLES: Final = {"2": "#8b949e", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff"}
ERASED: Final = re.compile(r"(?:\x1b\[(\d+)A)?\r\x1b\[J")
MODE: Final = re.compile(r"\x1b\[\?\d+[hl]")
SGR: Final = re.compile(r"\x1b\[([\d;]*)m")


@contextmanager
def open_server(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a shell whose daemon has one container, ``hello``."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "65534:65534" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    configuration = {
        "server": {"host": "127.0.0.1", "port": port},
        "authorization": {"token": TOKEN},
        "docker": {"engine": "process", "user": user},
    }
    folder.chmod(0o711)
    file = folder / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(configuration))
    environ = {**os.environ, "LIGHTD_CONFIG": str(file), "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "lightd"], env=environ, stderr=log)
    try:
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": MEDIA_TYPE}
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=LIMIT, transport=transport
        ) as client:
            volume = client.post("/volumes").raise_for_status().json()["volume_id"]
            container: dict[str, Any] = {
                "internal_id": "hello",
                "image": "host",
                "volume_id": volume,
                "startup_command": COMMAND,
                "start_pattern": "Ready",
                "tty": False,
            }
            client.post("/containers", params={"wait": 60}, json=container).raise_for_status()
            yield environ
            client.delete("/containers/hello").raise_for_status()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(LIMIT)


def run(environ: dict[str, str], command: str, *steps: tuple[str, str]) -> str:
    """The output of ``lightd COMMAND`` on a terminal; for each step, wait for a text, then type another."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-m", "lightd", *command.split()],
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    text, waiting, deadline = "", list(steps), time.monotonic() + LIMIT
    try:
        while time.monotonic() < deadline and select.select([ours], [], [], LIMIT)[0]:
            try:
                text += os.read(ours, 65536).decode()
            except OSError:  # the program has closed the terminal
                break
            if waiting and waiting[0][0] in text:
                os.write(ours, waiting.pop(0)[1].encode())
    finally:
        os.close(ours)
        process.wait(LIMIT)
    if process.returncode or waiting:
        raise RuntimeError(f"lightd {command} failed: {text}")
    return f"$ lightd {command}\n{text}"


def record() -> list[str]:
    """Run the session; return its lines, with colours as SGR sequences."""
    with (
        tempfile.TemporaryDirectory(prefix="lightd-picture-") as folder,
        open_server(Path(folder)) as environ,
    ):
        text = run(environ, "start hello")
        text += run(environ, "console hello", ("keeps running)", "say hi\n"), ("got: say hi", DETACH))
        text += run(environ, "stop hello")
    return [line.rstrip() for line in to_left(text).replace("\r", "").splitlines()]


def to_left(text: str) -> str:
    """What is left on the terminal: not the input line, which the console erases before it prints."""
    first, *rest = ERASED.split(MODE.sub("", text))
    left = first
    for rows, printed in zip(rest[::2], rest[1::2], strict=True):
        for _ in range(int(rows or 0) + 1):
            left = left[: left.rfind("\n", 0, -1 if left.endswith("\n") else None) + 1]
        left += printed
    return left


def to_spans(line: str) -> Iterator[tuple[str, str]]:
    """The parts of a line as (SGR parameters, text)."""
    style, *parts = ["", *SGR.split(line)]
    yield style, parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def to_svg(lines: list[str]) -> str:
    """The picture of a terminal with these lines."""
    width, height = COLUMNS * 8 + 32, len(lines) * 20 + 32
    rows = []
    for number, line in enumerate(lines):
        spans = []
        for style, text in to_spans(line):
            colours = [STYLES[each] for each in style.split(";") if each in STYLES]
            weight = ' font-weight="bold"' if "1" in style.split(";") else ""
            fill = f' fill="{colours[-1]}"' if colours else ""
            spans.append(f"<tspan{fill}{weight}>{escape(text)}</tspan>" if fill or weight else escape(text))
        rows.append(f'<text x="16" y="{number * 20 + 34}" xml:space="preserve">{"".join(spans)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        'font-family="ui-monospace, monospace" font-size="13" fill="#e6edf3">'
    )
    background = f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>'
    return "\n".join([head, background, *rows, "</svg>\n"])


def read_picture(svg: str) -> list[str]:
    """The lines that a picture shows, without colours."""
    found = re.findall(r"<text .*?>(.*)</text>", svg)
    return [unescape(re.sub(r"<.*?>", "", row)) for row in found]


def main(arguments: list[str]) -> int:
    """Write the picture, or with ``--check`` compare its lines with those of a new session."""
    svg = to_svg(record())
    if "--check" not in arguments:
        PICTURE.write_text(svg)
    elif read_picture(svg) != read_picture(PICTURE.read_text()):
        print("docs/images/console.svg is out of date: run python docs/console_picture.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
