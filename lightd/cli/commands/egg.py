"""``lightd egg``: check an egg file, convert it, and try its configuration files. No daemon is asked."""

import argparse
import sys
import uuid
from typing import Any, Final

from lightd.cli import stdio
from lightd.cli.commands import egg_files, screen
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, WRONG, Trouble
from lightd.eggs import check, formats
from lightd.eggs.egg import Egg
from lightd.eggs.errors import EggError
from lightd.eggs.placeholders import EVERYWHERE, Server
from lightd.eggs.rendering.render import render

INTERFACE: Final = "172.18.0.1"
"""Where servers reach the host, for an example."""


def run(args: argparse.Namespace, output: Output) -> int:
    """Run ``args.action``; return the exit code."""
    found = _read(args.file)
    try:
        match args.action:
            case "export":
                output.lines(formats.write(found.egg))
                return 0
            case "render":
                return _render(found.egg, args, output)
            case _:
                return _check(found, args, output)
    except check.UnfitError as error:
        for name, problem in error.mistakes.items():
            output.error(f"{name}: {problem}")
        return WRONG
    except EggError as error:
        raise Trouble(WRONG, f"{args.file}: {error}") from None


def _read(path: str) -> formats.Import:
    data = egg_files.read(path)
    try:
        return formats.read(data)
    except EggError as error:
        raise Trouble(WRONG, f"{path}: {error}") from None


def _given(args: argparse.Namespace) -> dict[str, str]:
    return dict(args.variable or ())


def _check(found: formats.Import, args: argparse.Namespace, output: Output) -> int:
    report = check.to_report(found.egg, _given(args), args.image or "")
    report = {"format": found.format, **report, "ignored": list(found.ignored)}
    if args.json:
        output.json(report)
    else:
        output.lines("".join(f"{line}\n" for line in _to_lines(report)))
    return FAILED if report["missing"] else 0


def _to_lines(report: dict[str, Any]) -> list[str]:
    stop = report["stop"]
    rows = [
        ("name", f"{report['name']} ({report['format']})"),
        ("image", report["image"]),
        ("command", report["startup_command"]),
        ("ready", " or ".join(report["ready"]) or "as soon as it runs"),
        ("stop", f"the command {stop['command']}" if stop["command"] is not None else stop["signal"]),
        *(("variable", f"{name}={value}") for name, value in report["variables"].items()),
        *(("file", f"{path} ({file['parser']}, {file['values']})") for path, file in report["files"].items()),
        *(("denied", pattern) for pattern in report["denied_files"]),
        *(("hint", f"{name}: {text}") for name, text in report["hints"].items()),
        *(("ignored", field) for field in report["ignored"]),
        *(("missing", f"{name} {problem}") for name, problem in report["missing"].items()),
    ]
    if report["install"] is not None:
        install = report["install"]
        rows.insert(
            3, ("install", f"{install['lines']} lines of {install['entrypoint']} in {install['image']}")
        )
    return [f"{title:<9} {screen.to_name(text)}" for title, text in rows]


def _render(egg: Egg, args: argparse.Namespace, output: Output) -> int:
    file = next((each for each in egg.files if each.path == args.path), None)
    if file is None:
        known = ", ".join(each.path for each in egg.files) or "none"
        raise Trouble(WRONG, f"{args.path}: the egg changes no such file (it changes: {known})")
    if args.file == "-":
        raise Trouble(
            WRONG, f"standard input has the egg, so it cannot have {args.path}: name the egg's file"
        )
    values, _ = check.to_values(egg, _given(args))
    server = Server(str(uuid.UUID(int=0)), EVERYWHERE, args.port, args.memory, INTERFACE, values)
    rendered = render(file, sys.stdin.buffer.read(), server)
    if rendered.problem:
        raise Trouble(FAILED, f"{file.path}: {rendered.problem}")
    for misfit in rendered.misfits:
        output.note(f"{file.path}: {misfit} does not fit this file")
    stdio.tell_bytes(rendered.data)
    return 0
