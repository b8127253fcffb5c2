"""``lightd egg [ls | import | rm | export | upgrade]``: the eggs that a daemon has stored."""

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lightd.cli.commands import egg_files, formats, remove, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.suggesting import to_hint
from lightd.cli.commands.tables import Cell
from lightd.cli.commands.trouble import WRONG, Trouble

TITLES: Final = ("EGG", "VERSION", "VERSIONS", "IMPORTED", "NAME")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Do what ``args.action`` says; the default is to list."""
    match args.action:
        case "import":
            return _import(args, client, output)
        case "rm":
            return remove.delete(args.egg_ids, "/eggs", client, output)
        case "export":
            return _export(args, client, output)
        case "upgrade":
            return _upgrade(args, client, output)
        case _:
            return _list(args, client, output)


def _import(args: argparse.Namespace, client: Client, output: Output) -> int:
    if args.id and len(args.files) > 1:
        raise Trouble(WRONG, "--id is for one file")
    code = 0
    for path in args.files:
        egg_id = args.id or (path if egg_files.is_own(path) else None)
        body = {"egg": _read(path), **({"id": egg_id} if egg_id else {})}
        try:
            answer = client.ask("POST", "/eggs", body=body)
        except Trouble as trouble:
            output.error(f"{path}: {trouble}")
            code = code or trouble.code
            continue
        if args.json:
            output.json(answer)
            continue
        how = "" if answer["new"] else " (it was stored already)"
        output.line(screen.to_name(f"{answer['id']} {answer['version']}{how}"))
        for field in answer["ignored"]:
            output.note(f"{path}: {field} has no effect")
    return code


def _read(path: str) -> str:
    try:
        return egg_files.read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Trouble(WRONG, f"{path}: is not UTF-8") from None


def _list(args: argparse.Namespace, client: Client, output: Output) -> int:
    rows: list[dict[str, Any]] = client.ask("GET", "/eggs")["eggs"]
    for row in rows if args.json else ():
        output.json(row)
    for row in rows if args.quiet and not args.json else ():
        output.line(row["id"])
    if not args.json and not args.quiet:
        output.table(TITLES, [to_cells(row, time.time()) for row in rows])
    return 0


def to_cells(row: Mapping[str, Any], now: float) -> list[Cell]:
    """One egg's row."""
    imported = formats.to_ago(row["imported_at"], now)
    texts = (row["id"], row["version"], str(row["versions"]), imported, row["name"])
    return [Cell(screen.to_name(text)) for text in texts]


def _export(args: argparse.Namespace, client: Client, output: Output) -> int:
    params = {} if args.egg_version is None else {"version": args.egg_version}
    egg = client.ask("GET", f"/eggs/{args.file}", **params)["egg"]
    output.lines(json.dumps(egg, indent=4, ensure_ascii=False) + "\n")
    return 0


def _upgrade(args: argparse.Namespace, client: Client, output: Output) -> int:
    body = {} if args.egg_version is None else {"version": args.egg_version}
    answer = client.ask("POST", f"/containers/{args.id}/egg", body=body)
    if args.json:
        output.json({"internal_id": args.id, **answer})
        return 0
    if answer["egg"]["version"] == answer["previous_version"]:
        output.line(f"{args.id}: has version {answer['previous_version']} of its egg already")
        return 0
    output.line(f"{args.id}: {answer['previous_version']} -> {answer['egg']['version']}")
    rows = (
        ("changed", answer["applied"]),
        ("changed at the next start", answer["at_next_start"]),
        ("kept, because it was changed here", answer["kept"]),
        *((f"variables {how}", names) for how, names in answer["variables"].items()),
    )
    for title, names in rows:
        if names:
            output.line(screen.to_name(f"{args.id}: {title}: {', '.join(names)}"))
    tell_missing(args.id, answer["missing"], output)
    return 0


def tell_missing(internal_id: str, missing: Mapping[str, str], output: Output) -> None:
    """Note what must be filled in before a start, and how."""
    for name, problem in missing.items():
        output.note(
            screen.to_name(
                f"{internal_id}: {name} {problem} before it can start: "
                f"lightd edit {internal_id} -e {name}=VALUE"
            )
        )


def split(given: Mapping[str, str], known: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of an egg that are ``given``, and the others, which are for the environment.

    Raises ``Trouble`` for one that is probably a misspelt variable of the egg.
    """
    names = set(known)
    others = {name: value for name, value in given.items() if name not in names}
    for name in others:
        if hint := to_hint(name, names):
            raise Trouble(WRONG, f"the egg has no variable {name}{hint}")
    return {name: value for name, value in given.items() if name in names}, others
