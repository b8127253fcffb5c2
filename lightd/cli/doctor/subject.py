"""What is checked: the configuration, as far as it is valid, and the machine."""

import os
from pathlib import Path

import attrs

from lightd.config.sections import Configuration


@attrs.frozen
class Subject:
    """The node. ``configuration`` is None if it is not valid; then ``mistakes`` say why.

    ``written`` is false if there is no file: then these are the defaults, which the first start writes.
    ``proc`` is the path of ``/proc``, ``now`` is in Unix seconds.
    """

    path: Path
    configuration: Configuration | None
    mistakes: tuple[str, ...] = ()
    written: bool = True
    now: float = 0.0
    proc: Path = Path("/proc")
    uid: int = attrs.field(factory=os.geteuid)
    gid: int = attrs.field(factory=os.getegid)
