"""Long work as steps, which their caller runs one at a time. Pure."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Each step ends with a ``yield``; what is returned is what was found. ``turns.Turns.run`` does them."""
