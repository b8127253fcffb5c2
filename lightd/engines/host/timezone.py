"""The host's time zone, by its name in the tz database (``Europe/Berlin``)."""

import re
from pathlib import Path
from typing import Final

from lightd.eggs.environment import TIMEZONE

LOCALTIME: Final = Path("/etc/localtime")
_NAME = re.compile(r"/zoneinfo/((?:[A-Za-z0-9_+-]+/){0,2}[A-Za-z0-9_+-]+)\Z")


def find_timezone(path: Path = LOCALTIME) -> str:
    """Return the name of the zone that ``path`` is a link to (localtime(5)), else UTC."""
    try:
        found = _NAME.search(str(path.readlink()))
    except OSError:
        return TIMEZONE
    return TIMEZONE if found is None else found[1]
