"""``lightd create NAME --image IMAGE``: a container with a new volume and its ports, in one command.

1. What it made is removed again, the newest first, if a later step fails, if the installation fails, or if it
   is interrupted; it says what it removed, and what it could not remove.
2. A port that is in the pool already is used and stays. A volume that is given (``--volume``) stays.
3. A start that fails (``--start``) removes nothing: the container is installed, and its console says why.
4. An installation that takes longer than ``--wait`` goes on; that is exit code 6.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import attrs

from lightd.cli.commands import eggs, interrupts, parsers, screen, settings, volumes
from lightd.cli.commands.client import PATIENCE, Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, PENDING, WRONG, Trouble

TAIL: Final = 10
"""Console lines that are shown of an installation that failed."""
PAUSE: Final = 0.5
STEP: Final = 20.0
"""Seconds that one request waits for an installation."""


@attrs.define(eq=False)
class Making:
    """What was made so far, and how to remove it. In a ``with`` block, an error removes it."""

    client: Client
    output: Output
    _made: list[tuple[str, Callable[[], object]]] = attrs.field(factory=list)

    def made(self, name: str, undo: Callable[[], object]) -> None:
        """Remember something that was made."""
        self._made.append((name, undo))

    def keep(self) -> None:
        """Keep all of it."""
        self._made.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        with interrupts.deferred():
            removed = []
            for name, undo in reversed(self._made):
                try:
                    undo()
                    removed.append(name)
                except Trouble as trouble:
                    self.output.error(f"{name} could not be removed again: {trouble}")
            if removed:
                self.output.note(f"removed again: {', '.join(removed)}")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Create the container, and start it with ``--start``; print its name.

    Without a command, the image's own entrypoint and command are started.
    """
    if not args.image and not args.egg:
        raise Trouble(WRONG, "no image: add --image IMAGE, or --egg EGG")
    if not args.startup and args.entrypoint == "shell" and not args.egg:
        raise Trouble(
            WRONG,
            "no startup command: add it at the end, after `--` "
            "(`lightd create NAME --image IMAGE -- java -jar server.jar`)",
        )
    installation = {**_to_installation(args), **_to_egg(args, client)}
    with Making(client, output) as making:
        volume_id = args.volume or _make_volume(args, making)
        ports = [port for group in args.port or () for port in group]
        for port in ports:
            _make_port(port, making)
        body = {
            "internal_id": args.id,
            "volume_id": volume_id,
            "ports": ports,
            **({} if args.startup or args.egg else {"entrypoint": "image"}),
            **settings.to_fields(args, {}),
            **installation,
        }
        answer = _install(args, body, making)
        if answer["status"] == "pending":
            making.keep()
            output.error(
                f"{args.id}: the installation is not finished yet; `lightd events {args.id}` shows it"
            )
            return PENDING
        making.keep()
    eggs.tell_missing(args.id, answer["missing"], output)
    code = _start(args, client, output) if args.start else 0
    if args.json:
        output.json(
            {
                "internal_id": args.id,
                "volume_id": volume_id,
                "ports": ports,
                "started": args.start and not code,
            }
        )
    elif not code:
        output.line(args.id)
    return code


def _to_egg(args: argparse.Namespace, client: Client) -> dict[str, Any]:
    """Return the fields that ``--egg`` sets; variables that the egg does not have are the environment."""
    if not args.egg:
        return {}
    stored = client.ask("GET", f"/eggs/{args.egg}")
    known = [each["env_variable"] for each in stored["egg"]["variables"]]
    variables, environment = eggs.split(settings.to_environment(args), known)
    naming = {"id": stored["id"], "version": stored["version"]}
    return {"egg": naming, "variables": variables, "environment": environment}


def _to_installation(args: argparse.Namespace) -> dict[str, Any]:
    if args.install_image:
        if not args.install_script:
            raise Trouble(WRONG, "--install-image needs --install-script")
        return {"install": {"image": args.install_image, "script": args.install_script}}
    return {"install_script": args.install_script} if args.install_script else {}


def _make_volume(args: argparse.Namespace, making: Making) -> str:
    with interrupts.deferred():
        volume_id = str(volumes.create(args.size, making.client)["volume_id"])
        making.made(f"volume {volume_id}", lambda: making.client.ask("DELETE", f"/volumes/{volume_id}"))
    return volume_id


def _make_port(port: Mapping[str, Any], making: Making) -> None:
    body = {name: port[name] for name in ("ip", "port", "protocol")}
    path = f"/network/ports/{port['ip']}/{port['port']}"
    with interrupts.deferred():
        try:
            making.client.ask("POST", "/network/ports", body=body)
        except Trouble as trouble:
            if trouble.answer.get("code") != "port_exists":
                raise
            return
        making.made(
            f"port {port['port']}/{port['protocol']}",
            lambda: making.client.ask("DELETE", path, protocol=port["protocol"]),
        )


def _install(args: argparse.Namespace, body: Mapping[str, Any], making: Making) -> Mapping[str, Any]:
    """Create the container and wait until it is installed; the operation. Raises ``Trouble`` if it failed."""
    client, until = making.client, time.monotonic() + args.wait
    making.output.note(f"installing {args.id} from {args.egg or args.image}")
    with interrupts.deferred():
        answer: dict[str, Any] = client.ask("POST", "/containers", body=body)
        making.made(
            f"container {args.id}",
            lambda: client.ask("DELETE", f"/containers/{args.id}", patience=STEP + PATIENCE, wait=STEP),
        )
    path = f"/operations/{answer['operation_id']}"
    found: dict[str, Any] = client.ask("GET", path)
    while found["status"] == "pending" and time.monotonic() < until:
        time.sleep(PAUSE)
        interrupts.check()
        found = client.ask("GET", path)
    if found["status"] in {"failed", "cancelled"}:
        _show_end(args.id, making)
        how = "failed" if found["status"] == "failed" else "was cancelled"
        reason = f": {found['error']}" if found.get("error") else ""
        raise Trouble(FAILED, f"{args.id}: the installation {how}{reason}")
    return {**found, "missing": answer.get("missing", {})}


def _show_end(internal_id: str, making: Making) -> None:
    """Print the end of the installation's console, which is about to be removed."""
    try:
        lines = making.client.ask("GET", f"/containers/{internal_id}/logs", lines=TAIL)["lines"]
    except Trouble:
        return
    for line in lines:
        making.output.err.write(f"{screen.to_line(line['text'], colours=False)}\n")


def _start(args: argparse.Namespace, client: Client, output: Output) -> int:
    wait = min(args.wait, parsers.LONGEST_WAIT)
    try:
        answer = client.ask(
            "POST", f"/containers/{args.id}/start", patience=wait + PATIENCE, wait=f"{wait:g}"
        )
    except Trouble as trouble:
        answer = {"status": "failed", "error": trouble.answer.get("error") or str(trouble)}
    if answer["status"] == "succeeded":
        return 0
    pending = answer["status"] == "pending"
    reason = f": {answer['error']}" if answer.get("error") else ""
    output.error(
        f"{args.id} was created, but its start {'is not finished' if pending else 'failed'}{reason}; "
        f"`lightd logs {args.id}` shows its console"
    )
    return PENDING if pending else FAILED
