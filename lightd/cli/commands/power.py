"""``lightd start|stop|restart|kill ID…``: all at once; each one is waited for."""

import argparse
from typing import Any

import trio

from lightd.cli.commands.client import PATIENCE, Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, PENDING, Trouble

DONE = {"start": "started", "stop": "stopped", "restart": "restarted", "kill": "killed"}


async def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Send the command to each container; return the exit code of the first one that failed, or 0."""
    codes: dict[str, int] = dict.fromkeys(args.ids, 0)

    async def do(internal_id: str) -> None:
        answer: dict[str, Any] = {"internal_id": internal_id, "action": args.command}
        try:
            answer |= await client.ask(
                "POST",
                f"/containers/{internal_id}/{args.command}",
                patience=args.wait + PATIENCE,
                **({"wait": f"{args.wait:g}"} if args.wait else {}),
            )
            codes[internal_id] = _tell(args, output, answer)
        except Trouble as trouble:
            codes[internal_id] = trouble.code
            output.error(f"{internal_id}: {trouble}")
            if args.json:
                output.json({**answer, "status": "failed", "error": str(trouble)})

    async with trio.open_nursery() as nursery:
        for internal_id in codes:
            nursery.start_soon(do, internal_id)
    return next((code for code in codes.values() if code), 0)


def _tell(args: argparse.Namespace, output: Output, answer: dict[str, Any]) -> int:
    internal_id, status = answer["internal_id"], answer.get("status", "accepted")
    if args.json:
        output.json({key: value for key, value in answer.items() if key != "message"} | {"status": status})
    match status:
        case "succeeded":
            if not args.json:
                output.line(f"{internal_id}: {DONE[args.command]}")
            return 0
        case "accepted":
            if not args.json:
                output.line(f"{internal_id}: {args.command} accepted")
            return 0
        case "pending":
            output.error(f"{internal_id}: {args.command} not finished within {args.wait:g} seconds")
            return PENDING
        case _:
            output.error(
                f"{internal_id}: {args.command} {status}: {answer.get('error') or 'no reason given'}"
            )
            return FAILED
