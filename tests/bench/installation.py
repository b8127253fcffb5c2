"""A lightd of its own for a bench: a process on the real engine, gone at the end with all that it made."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from tests.rig import engine, images
from tests.support.daemon import Daemon


@contextmanager
def open_daemon(**sections: object) -> Iterator[Daemon]:
    """A daemon that serves and has found the engine; ``sections`` are those of its configuration."""
    engine.check_answers()
    images.build()
    with engine.in_use(), tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        monitoring = {"enabled": True, "interval_ms": 1000}
        settings = {"monitoring": monitoring, **sections}
        daemon = Daemon(Path(folder), f"bench-{uuid.uuid4().hex[:12]}", settings)

        async def begin() -> None:
            await daemon.start()
            await daemon.engine_up()

        try:
            trio.run(begin)
            yield daemon
        finally:
            daemon.kill()
            engine.remove_labelled(daemon.node)
