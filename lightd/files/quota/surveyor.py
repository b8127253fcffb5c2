"""Long looks at volumes: in one thread of its own, which the processor serves last.

So however many volumes are walked, it is one at a time, and servers and requests go first. A look whose
caller was cancelled ends at its next name.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import attrs
import trio

from lightd.files.deleting import Pace

T = TypeVar("T")

NICENESS: Final = 10


class Interrupted(Exception):  # noqa: N818 - says what happened to it
    """Nobody waits for the end of the look any more."""


@attrs.define(eq=False)
class Surveyor:
    """Made by ``open_surveyor``."""

    _thread: ThreadPoolExecutor

    async def look(self, work: Callable[[Pace], T]) -> T:
        """Return ``work(pace)``, once it is its turn; raises as it does."""
        token, ended, left = trio.lowlevel.current_trio_token(), trio.Event(), threading.Event()

        def pace(_: int) -> None:
            if left.is_set():
                raise Interrupted

        future = self._thread.submit(work, pace)
        future.add_done_callback(lambda _: token.run_sync_soon(ended.set))
        try:
            await ended.wait()
        finally:
            left.set()
            if not future.cancel():
                with trio.CancelScope(shield=True):
                    await ended.wait()
        return future.result()


def _step_back() -> None:
    with suppress(OSError):  # a sandbox may forbid it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # Linux: of this thread alone


@contextmanager
def open_surveyor() -> Iterator[Surveyor]:
    """Yield one; nothing may be looked at any more when the block is left."""
    with ThreadPoolExecutor(1, "lightd-surveyor", _step_back) as thread:
        yield Surveyor(thread)
