"""The arguments of ``lightd egg``."""

from lightd.cli.commands import values
from lightd.cli.commands.suggesting import Parser


def add(egg: Parser) -> None:
    """Add the actions of ``lightd egg`` to its parser."""
    actions = egg.add_subparsers(dest="action", metavar="action", parser_class=Parser, required=True)

    def action(name: str, summary: str) -> Parser:
        parser = actions.add_parser(name, allow_abbrev=False, help=summary, description=summary)
        parser.add_argument("file", metavar="FILE", help="an egg in JSON or YAML; -: standard input")
        return parser

    check = action("check", "say what would be created, what is ignored and what must be filled in")
    check.add_argument(
        "--image", metavar="NAME", default=None, help="one of its images, by name, or another one"
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    render = action("render", "print a configuration file as the egg changes it; standard input is the file")
    render.add_argument("path", metavar="PATH", help="path of the file in the egg")
    render.add_argument("--port", metavar="PORT", type=int, default=25565, help="default: 25565")
    render.add_argument("--memory", metavar="MIB", type=int, default=1024, help="default: 1024")
    action("export", "print the egg in the format PLCN_v3")
    for parser in (check, render):
        parser.add_argument(
            "-e",
            "--variable",
            metavar="NAME=VALUE",
            type=values.variable,
            action="append",
            help="set a variable. It can be repeated",
        )
