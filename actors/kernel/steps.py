"""Long work in steps that the caller runs one at a time. Pure."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Each step ends with a ``yield``; the result is returned at the end. Run by ``turns.Turns.run``."""


def run(steps: Steps[T]) -> T:
    """Run all ``steps`` at once and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
