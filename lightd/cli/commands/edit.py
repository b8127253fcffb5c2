"""``lightd edit ID``: change the settings of a container, by options or in an editor.

Without options, ``$VISUAL`` or ``$EDITOR`` (default: vi) gets the settings as JSON in a file that only this
user can read; what was changed there is sent. A file that is rejected is kept, and its path is printed.
"""

import argparse
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lightd.cli.commands import eggs, screen, settings
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, Trouble

FIELDS: Final = (
    "image",
    "pull",
    "startup_command",
    "start_pattern",
    "environment",
    "limits",
    "stop",
    "restart_policy",
    "read_only",
    "display_name",
    "labels",
    "entrypoint",
    "start_texts",
    "file_denylist",
)
"""The fields that ``PATCH`` changes; those that the daemon does not show are left out."""


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Change the settings, and say what applies now and what at the next start."""
    path = f"/containers/{args.id}"
    before = client.ask("GET", path)
    fields = settings.to_fields(args, before)
    variables = _take_variables(args, client, before, fields) if before.get("egg") is not None else {}
    for name in args.env_rm or ():
        if name not in variables:
            fields.setdefault("environment", dict(before.get("environment") or {})).pop(name, None)
    if variables:
        _send_variables(args, client, output, variables)
    if fields or variables:
        return _send(args, client, output, fields) if fields else 0
    shown = {name: before[name] for name in FIELDS if name in before}
    text = json.dumps(shown, indent=4, ensure_ascii=False) + "\n"
    with tempfile.NamedTemporaryFile("w", prefix=f"lightd-{args.id}-", suffix=".json", delete=False) as file:
        file.write(text)  # mode 0600: the environment can contain passwords
    draft = Path(file.name)
    try:
        fields = _edit(draft, text, shown)
        code = _send(args, client, output, fields) if fields else 0
    except Trouble as trouble:
        raise Trouble(trouble.code, f"{trouble}; your text is in {draft}") from None
    except SystemExit:  # a signal
        output.note(f"interrupted; your text is in {draft}")
        raise
    draft.unlink()
    if not fields:
        output.note("nothing was changed")
    return code


def _take_variables(
    args: argparse.Namespace, client: Client, before: Mapping[str, Any], fields: dict[str, Any]
) -> dict[str, str | None]:
    """Return the new values of the egg's variables, None for its default; others stay in ``fields``."""
    given, removed = settings.to_environment(args), args.env_rm or ()
    if not given and not removed:
        return {}
    rows = client.ask("GET", f"/containers/{args.id}/variables")["variables"]
    known = {row["env"] for row in rows}
    values, others = eggs.split(given, known)
    fields.pop("environment", None)
    if others:
        fields["environment"] = {**(before.get("environment") or {}), **others}
    return {**values, **{name: None for name in removed if name in known}}


def _send_variables(
    args: argparse.Namespace, client: Client, output: Output, variables: Mapping[str, str | None]
) -> None:
    answer = client.ask("PATCH", f"/containers/{args.id}/variables", body=variables)
    if args.json:
        output.json({"internal_id": args.id, "applied": [], "at_next_start": answer["at_next_start"]})
        return
    later = ", ".join(answer["at_next_start"])
    output.line(screen.to_name(f"{args.id}: changed at the next start: {later}"))
    eggs.tell_missing(args.id, answer["missing"], output)


def _edit(draft: Path, text: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Let the user edit the file at ``draft``; return what was changed. Raises ``Trouble``."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        subprocess.run([*shlex.split(editor), str(draft)], check=True)  # noqa: S603 - the user's own editor
        edited = draft.read_text(encoding="utf-8")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise Trouble(FAILED, f"the editor {editor} failed: {error}") from None
    if edited == text:
        return {}
    try:
        read = json.loads(edited)
    except ValueError as error:
        raise Trouble(FAILED, f"the edited text is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise Trouble(FAILED, "the edited text is not a JSON object")
    return to_changes(shown, read)


def to_changes(shown: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``read`` that differ, without nulls in the objects. Pure."""
    changed = {name: value for name, value in read.items() if name not in shown or shown[name] != value}
    return {
        name: {key: each for key, each in value.items() if each is not None}
        if isinstance(value, dict) and name not in {"environment", "labels"}
        else value
        for name, value in changed.items()
    }


def _send(args: argparse.Namespace, client: Client, output: Output, fields: Mapping[str, Any]) -> int:
    answer = client.ask("PATCH", f"/containers/{args.id}", body=fields)
    if args.json:
        output.json(
            {"internal_id": args.id, "applied": answer["applied"], "at_next_start": answer["at_next_start"]}
        )
        return 0
    if answer["applied"]:
        output.line(screen.to_name(f"{args.id}: changed: {', '.join(answer['applied'])}"))
    if answer["at_next_start"]:
        later = ", ".join(answer["at_next_start"])
        output.line(screen.to_name(f"{args.id}: changed at the next start: {later}"))
    return 0
