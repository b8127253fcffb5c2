"""What a server has left behind: descriptors, tasks and objects of this process."""

from __future__ import annotations

import gc
import pathlib

import attrs
import trio


@attrs.frozen
class Left:
    descriptors: int
    tasks: int
    objects: int
    """The server's own, and the sockets and channels under it."""


def measure() -> Left:
    gc.collect()
    ours = (
        "lightd.http",
        "hypercorn",
        "h11",
        "wsproto",
        "quart",
        "trio._highlevel",
        "trio._channel",
        "socket",
    )
    return Left(
        descriptors=len(list(pathlib.Path("/proc/self/fd").iterdir())),
        tasks=trio.lowlevel.current_statistics().tasks_living,
        objects=sum(str(type(each).__module__).startswith(ours) for each in gc.get_objects()),
    )
