"""The names of stored eggs, and the limits of the variables of containers that were created from them."""

import re
from typing import Final

ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
NO_ID: Final = "check"
"""The name of a route in the place of an id."""
VERSION: Final = re.compile(r"[0-9a-f]{16}")

MOST_VARIABLES: Final = 1000
LONGEST_VALUE: Final = 8192
"""Characters of one value."""
MOST_CHARACTERS: Final = 128 * 1024
"""Characters of all names and values: they are the container's environment."""
