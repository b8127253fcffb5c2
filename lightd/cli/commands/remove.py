"""``lightd rm ID…``: delete containers, and with ``--volumes`` their volumes.

``delete`` is for ``lightd volumes rm`` and ``lightd token rm``.
"""

import argparse
from collections.abc import Sequence

from lightd.cli.commands.client import PATIENCE, Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, PENDING, UNKNOWN, Trouble


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Delete each container; return the exit code of the first one that failed, or 0."""
    codes = [_delete(internal_id, args, client, output) for internal_id in dict.fromkeys(args.ids)]
    return next((code for code in codes if code), 0)


def _delete(internal_id: str, args: argparse.Namespace, client: Client, output: Output) -> int:
    path = f"/containers/{internal_id}"
    try:
        found = client.ask("GET", path)
        if found["state"] != "offline" and not args.force:
            output.error(f"{internal_id} is {found['state']}: stop it first, or use --force")
            return FAILED
        answer = client.ask("DELETE", path, patience=args.wait + PATIENCE, wait=f"{args.wait:g}")
        if answer.get("status") == "pending":
            kept = ""
            if args.volumes and (volume_id := found.get("volume_id")):
                kept = f"; delete its volume afterwards: lightd volumes rm {volume_id}"
            text = f"not deleted within {args.wait:g} seconds; the deletion continues"
            output.error(f"{internal_id}: {text}{kept}")
            return PENDING
        if args.volumes and found.get("volume_id"):
            client.ask("DELETE", f"/volumes/{found['volume_id']}")
    except Trouble as trouble:
        output.error(str(trouble) if trouble.code == UNKNOWN else f"{internal_id}: {trouble}")
        return trouble.code
    output.line(internal_id)
    return 0


def delete(ids: Sequence[str], path: str, client: Client, output: Output) -> int:
    """Delete what has these ids below ``path``; return the exit code of the first that failed, or 0."""
    code = 0
    for each in dict.fromkeys(ids):
        try:
            client.ask("DELETE", f"{path}/{each}")
        except Trouble as trouble:
            output.error(str(trouble) if each in str(trouble) else f"{each}: {trouble}")
            code = code or trouble.code
        else:
            output.line(each)
    return code
