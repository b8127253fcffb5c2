"""The position in the journal of each container's last deletion; what is older concerns an earlier container.

A deletion is noted in the step in which it is announced, before any subscriber sees it.
"""

from functools import partial

from actors.container.events import Deleted
from actors.kernel.bus import Bus
from actors.kernel.journal import Recorded

PREFIX = "container-"  # of the streams of containers, as the fleet names them

Endings = dict[str, int]
"""The position of the last deletion, by container id."""


def note_endings(bus: Bus, endings: Endings) -> None:
    """Add every deletion from now on to ``endings``."""
    bus.on_announce.append(partial(_note, endings))


def _note(endings: Endings, record: Recorded) -> None:
    if isinstance(record.event, Deleted):
        endings[record.stream.removeprefix(PREFIX)] = record.position
