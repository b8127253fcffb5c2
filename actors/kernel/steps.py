"""Work in steps, whoever does them and when. Pure."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Each step ends with a ``yield``; what is returned is what was found. ``turns.Turns.run`` does them."""
