"""``lightd start|stop|restart|kill ID…``: all at once; each one is waited for."""

import argparse
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from lightd.cli.commands.client import PATIENCE, Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, PENDING, UNKNOWN, Trouble

DONE: Final = {"start": "started", "stop": "stopped", "restart": "restarted", "kill": "killed"}
AT_ONCE: Final = 50
"""The daemon accepts 256 connections from one address."""


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Send the command to each container; return the exit code of the first one that failed, or 0."""
    codes: dict[str, int] = dict.fromkeys(args.ids, 0)
    waiting: SimpleQueue[str] = SimpleQueue()
    answers: SimpleQueue[tuple[str, dict[str, Any] | Trouble]] = SimpleQueue()
    for internal_id in codes:
        waiting.put(internal_id)

    def work() -> None:
        with suppress(Empty):
            while True:
                internal_id = waiting.get_nowait()
                answers.put((internal_id, _ask(args, client, internal_id)))

    for _ in range(min(len(codes), AT_ONCE)):
        Thread(target=work, daemon=True).start()  # a signal ends the process without waiting for it
    for _ in codes:
        internal_id, answer = answers.get()
        codes[internal_id] = _report(args, output, internal_id, answer)
    return next((code for code in codes.values() if code), 0)


def _ask(args: argparse.Namespace, client: Client, internal_id: str) -> dict[str, Any] | Trouble:
    params = {"wait": f"{args.wait:g}"} if args.wait else {}
    try:
        path = f"/containers/{internal_id}/{args.command}"
        answer: dict[str, Any] = client.ask("POST", path, patience=args.wait + PATIENCE, **params)
    except Trouble as trouble:
        return dict(trouble.answer) if "operation_id" in trouble.answer else trouble
    return answer


def _report(
    args: argparse.Namespace, output: Output, internal_id: str, answer: dict[str, Any] | Trouble
) -> int:
    begun = {"internal_id": internal_id, "action": args.command}
    if isinstance(answer, Trouble):
        output.error(str(answer) if answer.code == UNKNOWN else f"{internal_id}: {answer}")
        if args.json:
            output.json({**begun, "status": "failed", "error": str(answer)})
        return answer.code
    return _tell(args, output, {**begun, **answer})


def _tell(args: argparse.Namespace, output: Output, answer: dict[str, Any]) -> int:
    internal_id, status = answer["internal_id"], answer.get("status", "accepted")
    if args.json:
        shown = {key: value for key, value in answer.items() if key not in {"message", "code"}}
        output.json({**shown, "status": status})
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
