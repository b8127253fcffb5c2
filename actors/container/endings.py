"""Where in the journal each container was last deleted: what came before that was meant for another one.

A deletion is known in the very step in which it is announced, so nobody who sees it finds it missing here.
"""

from functools import partial

from actors.container.events import Deleted
from actors.kernel.bus import Bus
from actors.kernel.journal import Recorded

PREFIX = "container-"  # of the streams of containers, as the fleet names them

Endings = dict[str, int]
"""The position of the last deletion of each id that ever was deleted."""


def note_endings(bus: Bus, endings: Endings) -> None:
    """Have ``endings`` know of every deletion from now on."""
    bus.on_announce.append(partial(_note, endings))


def _note(endings: Endings, record: Recorded) -> None:
    if isinstance(record.event, Deleted):
        endings[record.stream.removeprefix(PREFIX)] = record.position
