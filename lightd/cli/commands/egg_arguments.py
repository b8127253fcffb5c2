"""The arguments of ``lightd egg``."""

import argparse
from collections.abc import Callable
from typing import Final

from lightd.cli.commands import values
from lightd.cli.commands.suggesting import Parser

STORED: Final = frozenset({"import", "ls", "rm", "upgrade"})
"""The actions that ask a daemon; others read a file, but ``export`` can do either."""

Action = Callable[[str, str], Parser]
Complete = Callable[[argparse.Action, str, str], None]

_FILE = "an egg in JSON or YAML, -: standard input; or the name of one of lightd's own"


def add(action: Action, complete: Complete) -> None:
    """Add the actions of ``lightd egg``.

    ``action`` adds one with its summary, ``complete`` completes an argument to the ids in a daemon's list.
    """
    action("ls", "list the stored eggs (the default)").add_argument(
        "-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help="print only the ids"
    )
    imports = action("import", "store eggs, as new versions of those with the same ids")
    imports.add_argument("files", metavar="FILE", nargs="+", help=_FILE)
    imports.add_argument(
        "--id", metavar="ID", type=values.internal_id, help="its id (default: made of the egg's name)"
    )
    gone = action("rm", "delete stored eggs").add_argument(
        "egg_ids", metavar="EGG", nargs="+", type=values.internal_id, help="id of a stored egg"
    )
    complete(gone, "/eggs", "id")
    upgrade = action("upgrade", "give a container the newest version of its egg")
    container = upgrade.add_argument("id", metavar="ID", type=values.internal_id, help="id of a container")
    complete(container, "/containers", "internal_id")
    upgrade.add_argument("--version", metavar="VERSION", dest="egg_version", help="another version")
    _add_for_files(action, complete)


def _add_for_files(action: Action, complete: Complete) -> None:
    def add_file(name: str, summary: str) -> Parser:
        parser = action(name, summary)
        parser.add_argument("file", metavar="FILE", help=_FILE)
        return parser

    check = add_file("check", "say what would be created, what is ignored and what must be filled in")
    check.add_argument(
        "--image", metavar="NAME", default=None, help="one of its images, by name, or another one"
    )
    render = add_file(
        "render", "print a configuration file as the egg changes it; standard input is the file"
    )
    render.add_argument("path", metavar="PATH", help="path of the file in the egg")
    render.add_argument("--port", metavar="PORT", type=int, default=25565, help="default: 25565")
    render.add_argument("--memory", metavar="MIB", type=int, default=1024, help="default: 1024")
    export = action("export", "print an egg in the format PLCN_v3")
    file = export.add_argument("file", metavar="FILE", help="an egg file, -: standard input; or a stored egg")
    complete(file, "/eggs", "id")
    export.add_argument(
        "--version", metavar="VERSION", dest="egg_version", help="a version of a stored egg (default: newest)"
    )
    for parser in (check, render):
        parser.add_argument(
            "-e",
            "--variable",
            metavar="NAME=VALUE",
            type=values.variable,
            action="append",
            help="set a variable. It can be repeated",
        )
