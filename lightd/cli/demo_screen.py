"""The output of ``lightd demo``: lines, calls that can be pasted into a shell, and a progress bar."""

import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio

from lightd.cli import stdio
from lightd.http.credentials import MEDIA_TYPE

STEP: Final = 0.15  # seconds between two updates of the progress bar
WIDTH: Final = 24
CLEAR: Final = "\r\x1b[K"


class Screen:
    """Lines on standard output; on a terminal, a progress bar below them while the demo waits.

    A closed output raises ``Unwritten`` once; after that nothing is printed, so that the clean-up can finish.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = self._unread = self._forgiving = False

    def tell(self, line: str) -> None:
        """Print a line above the progress bar."""
        self._clear()
        self._print(f"{line}\n")

    def introduce(self, url: str, token: str, file: Path) -> None:
        """Print the shell variables that the calls use; ``file`` contains the token."""
        self.tell(f"  url={url} token={shlex.quote(str(file))}")
        self.tell(f"  auth='Authorization: Bearer {token}' accept='Accept: {MEDIA_TYPE}'")

    def show_call(self, method: str, path: str, body: dict[str, Any] | None) -> None:
        """Print a call as the ``curl`` line that makes it."""
        data = "" if body is None else f" -d {shlex.quote(json.dumps(body))}"
        self.tell(f'  curl -sS -X {method} -H "$auth" -H "$accept" "$url{path}"{data}')

    def show_command(self, words: str) -> None:
        """Print a ``lightd`` command as the line that runs it."""
        self.tell(f'  lightd {words} --url "$url" --token-file "$token"')

    def forgive(self) -> None:
        """From now on a closed output is ignored."""
        self._forgiving = True

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Show the progress bar within the block."""
        async with trio.open_nursery() as nursery:
            if self._terminal:
                nursery.start_soon(self._draw)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                self._clear()

    async def _draw(self) -> None:
        begun, at = trio.current_time(), 0
        while True:
            await trio.sleep(STEP)
            at = (at + 1) % WIDTH
            bar = "".join("#" if (place - at) % WIDTH < 3 else "-" for place in range(WIDTH))  # noqa: PLR2004 - its length
            self._print(f"{CLEAR}  [{bar}] {trio.current_time() - begun:.0f} s")
            self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            self._print(CLEAR)

    def _print(self, text: str) -> None:
        if self._unread:
            return
        try:
            stdio.tell(text)
        except stdio.Unwritten:
            self._unread = True
            if not self._forgiving:
                raise
