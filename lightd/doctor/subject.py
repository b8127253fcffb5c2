"""What is looked at: a configuration, whatever can be had of it, and the machine."""

import os
from pathlib import Path

import attrs

from lightd.config import Configuration


@attrs.frozen
class Subject:
    """The node. ``configuration`` is None where ``mistakes`` say why it can't be used.

    ``written`` says whether there is a file: else these are the defaults, which the first start writes.
    ``proc`` is the kernel's, ``now`` Unix seconds.
    """

    path: Path
    configuration: Configuration | None
    mistakes: tuple[str, ...] = ()
    written: bool = True
    now: float = 0.0
    proc: Path = Path("/proc")
    uid: int = attrs.field(factory=os.geteuid)
    gid: int = attrs.field(factory=os.getegid)
