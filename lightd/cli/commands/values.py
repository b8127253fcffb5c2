"""What the arguments of commands mean: a value, or an error that says what is allowed."""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lightd.cli.commands import formats

MOST_LINES: Final = 10_000
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def internal_id(text: str) -> str:
    """A valid id of a container, a volume or a token."""
    if not ID.fullmatch(text):
        allowed = "1 to 63 of A-Z a-z 0-9 _ . -, beginning with a letter or digit"
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid id (allowed: {allowed})")
    return text


def checked(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """``convert`` with its ``ValueError`` as the error of an argument."""

    def check(text: str) -> Any:  # noqa: ANN401 - the type of any argument
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check


def size(text: str) -> int:
    """Bytes."""
    try:
        return formats.from_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a size as in 512M or 2G (got {text})") from None


def variable(text: str) -> tuple[str, str]:
    """The name and the value of a variable; without a value, that of this process."""
    name, equals, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE (got {text})")
    if not equals and name not in os.environ:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE: there is no variable {name} here")
    return name, value if equals else os.environ[name]


def label(text: str) -> tuple[str, str]:
    """The name and the value of a label."""
    name, _, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE (got {text})")
    return name, value


def text_of(path: str) -> str:
    """The text of a file."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"cannot read {path}: {reason}") from None


def count(text: str) -> int:
    """A number of lines."""
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_LINES):
        raise argparse.ArgumentTypeError(f"must be between 0 and {MOST_LINES} (got {text})")
    return int(text)


def to_seconds(text: str, longest: float) -> float:
    """Seconds, at most ``longest``; raises ``ValueError``."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text, re.ASCII) or float(text) > longest:
        raise ValueError(f"must be between 0 and {longest:g} seconds (got {text})")
    return float(text)
