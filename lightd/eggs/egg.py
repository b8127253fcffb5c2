"""What an egg says about a game, whatever format its file has."""

from collections.abc import Mapping

import attrs

from lightd.eggs.rules import Rule


@attrs.frozen
class Variable:
    """A variable. Its ``default`` may violate the ``rules``: then a value is needed before a start."""

    name: str
    env: str
    default: str = ""
    description: str = ""
    rules: tuple[Rule, ...] = ()
    user_editable: bool = False
    user_viewable: bool = False


@attrs.frozen
class Replacement:
    """Sets the value at ``match`` of a configuration file to ``value``.

    With ``if_value`` only where the present value is that. If it begins with ``regex:``, the present value
    must match, and only the part that matches is replaced.
    """

    match: str
    value: str
    if_value: str = ""


@attrs.frozen
class ConfigFile:
    """A configuration file in the volume that is changed before each start."""

    path: str
    parser: str
    replacements: tuple[Replacement, ...] = ()


@attrs.frozen
class Install:
    """The installer: a script that runs in a container of ``image`` with ``entrypoint``."""

    image: str
    entrypoint: str
    script: str


@attrs.frozen
class Egg:
    """An egg. ``images`` and ``startups`` are ordered; the first of each is the default.

    One of the texts ``done`` on the console means that the server is ready; ``stop`` is a command, or begins
    with ``^`` for a signal. ``denied`` are gitignore patterns of files that users may not touch.
    """

    name: str
    images: Mapping[str, str]
    startups: Mapping[str, str]
    uuid: str = ""
    author: str = ""
    description: str = ""
    update_url: str = ""
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    files: tuple[ConfigFile, ...] = ()
    done: tuple[str, ...] = ()
    stop: str = ""
    install: Install | None = None
    variables: tuple[Variable, ...] = ()
