"""What a connection tells the process that listens."""

from typing import Final

LOST: Final = b"?"
"""It needs another connection with the daemon."""
ENTERED: Final = b"+"
"""Its client has logged in."""
