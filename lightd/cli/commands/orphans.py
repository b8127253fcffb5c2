"""``lightd orphans``: list, adopt or remove what is on this node and not in its journal.

These are containers in Docker, and the folders of volumes. The command asks Docker and reads the journal:
listing and removing also work while the daemon is stopped; adopting is a request to the daemon. Containers of
another lightd on the same engine are listed too, with its node and the id of its journal.
"""

import argparse
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from actors.container.engine import Role
from lightd.cli.commands import address, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell
from lightd.cli.commands.trouble import FAILED, UNKNOWN, WRONG, Trouble
from lightd.config import file as config_file
from lightd.config.sections import Storage
from lightd.engines.docker import recipe, translate
from lightd.engines.host import folder
from lightd.files.quota.probing import strays_in
from lightd.journal.inspection import JournalUnreadable, Known, read_known


@attrs.frozen
class Orphan:
    """A container of some lightd. ``journal`` is empty for one that a version without journal ids made."""

    name: str
    engine_id: str
    internal_id: str
    node: str
    journal: str
    state: str
    role: str = ""
    attempt: str = ""


PATIENCE: Final = 60.0
NO_SUCH: Final = "no such orphan (`lightd orphans` lists them)"
VOLUME: Final = "volume"
"""The state of an orphan that is the folder of a volume."""


class _Engine(HTTPConnection):
    """Docker, at its socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(host="engine", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, **params: str) -> tuple[int, str]:
        """The status and the body of the response; raises ``Trouble``."""
        try:
            self.request(method, f"{path}?{urlencode(params)}")
            response = self.getresponse()
            return response.status, response.read().decode()
        except (OSError, HTTPException) as error:
            raise Trouble(FAILED, f"Docker does not answer: {type(error).__name__}") from None


def run(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    """List the orphans, or adopt or remove those that are named; return the exit code."""
    path, elsewhere = config_file.find_path(args.config, environ)
    if elsewhere:
        output.note(f"using the configuration {path}")
    config = config_file.load(path)
    if config.docker.engine != "docker":
        raise Trouble(WRONG, "orphans are containers of Docker, and docker.engine is another engine")
    try:
        known = read_known(config.storage.base_path / "lightd.db")
    except JournalUnreadable as error:
        raise Trouble(FAILED, f"the journal in {config.storage.base_path} cannot be read: {error}") from None
    with closing(_Engine(config.docker.socket_path)) as engine:
        found = [*to_orphans(_list(engine), known, config.node), *_list_volumes(config.storage, known)]
        if args.adopt:
            return _adopt(args, environ, found, output)
        if args.remove:
            return _remove(engine, found, args.remove, config.storage, output)
    if args.json:
        for orphan in found:
            output.json(attrs.asdict(orphan))
    else:
        rows = [tuple(map(Cell, map(screen.to_name, to_texts(orphan, known)))) for orphan in found]
        output.table(("NAME", "STATE", "NODE", "JOURNAL"), rows)
    return 0


def to_texts(orphan: Orphan, known: Known) -> tuple[str, str, str, str]:
    """One row of the list."""
    journal = "this one" if orphan.journal == known.journal_id else orphan.journal[:12] or "-"
    return orphan.name, orphan.state, orphan.node, journal


def to_orphans(rows: Sequence[Mapping[str, Any]], known: Known, node: str) -> Iterator[Orphan]:
    """The orphans among the rows of ``GET /containers/json``. Pure.

    A container is none if it is in the journal and has the journal's id, or no id and the node's name.
    """
    for row in rows:
        labels = row.get("Labels") or {}
        journal, internal_id = labels.get(translate.JOURNAL, ""), labels.get(translate.INTERNAL_ID, "")
        same = journal == known.journal_id or (not journal and labels.get(translate.NODE) == node)
        if internal_id and not ((same or row["Id"] in known.adopted) and internal_id in known.containers):
            name = str((row.get("Names") or [row["Id"][:12]])[0]).lstrip("/")
            yield Orphan(
                name,
                row["Id"],
                internal_id,
                labels.get(translate.NODE, ""),
                journal,
                str(row["State"]),
                labels.get(translate.ROLE, ""),
                labels.get(translate.ATTEMPT, ""),
            )


def _list_volumes(storage: Storage, known: Known) -> list[Orphan]:
    """The folders of volumes that the journal does not know."""
    try:
        return [
            Orphan(path.name, "", "", "", "", VOLUME)
            for path in sorted(strays_in(storage.volumes_path, known.volumes))
        ]
    except OSError as error:
        raise Trouble(FAILED, f"cannot list {storage.volumes_path}: {error.strerror}") from None


def _adopt(
    args: argparse.Namespace, environ: Mapping[str, str], found: Sequence[Orphan], output: Output
) -> int:
    code = 0
    by_name = {orphan.name: orphan for orphan in found}
    client = Client(address.find(args, environ))
    for name in dict.fromkeys(args.adopt):
        if name not in by_name:
            output.error(f"{name}: {NO_SUCH}")
            code = code or UNKNOWN
            continue
        try:
            path, body = to_request(by_name[name])
            client.ask("POST", path, body=body)
        except Trouble as trouble:
            output.error(f"{name}: {trouble}")
            code = code or trouble.code
        else:
            output.line(f"{name}: adopted")
    return code


def to_request(orphan: Orphan) -> tuple[str, dict[str, str]]:
    """The path and the body of the request that adopts it. Pure."""
    if orphan.state == VOLUME:
        return "/orphans/volumes/adopt", {"volume_id": orphan.name}
    return "/orphans/containers/adopt", {"container_id": orphan.engine_id}


def _list(engine: _Engine) -> list[dict[str, Any]]:
    status, body = engine.ask("GET", "/containers/json", all="1", filters=json.dumps(recipe.EVERY_LIGHTD))
    if status != HTTPStatus.OK:
        raise Trouble(FAILED, f"Docker cannot list containers: {translate.to_refusal(body)}")
    rows: list[dict[str, Any]] = json.loads(body)
    return rows


def _remove(
    engine: _Engine, found: Sequence[Orphan], names: Sequence[str], storage: Storage, output: Output
) -> int:
    code = 0
    by_name = {orphan.name: orphan for orphan in found}
    for name in dict.fromkeys(names):
        if name not in by_name:
            output.error(f"{name}: {NO_SUCH}")
            code = code or UNKNOWN
            continue
        if by_name[name].state == VOLUME:
            output.error(f"{name}: a volume is not removed here: adopt it, then use `lightd volumes rm`")
            code = FAILED
            continue
        path = translate.to_container_path(by_name[name].engine_id)
        status, body = engine.ask("DELETE", f"/{path}", force="1", v="1")
        if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
            _hand_over(by_name[name], storage)
            output.line(f"{name}: removed")
        else:
            output.error(f"{name}: {translate.to_refusal(body)}")
            code = FAILED
    return code


def _hand_over(orphan: Orphan, storage: Storage) -> None:
    """Give what a removed installer, which was root, left in the volume to the server's user. Blocks."""
    if orphan.role == Role.INSTALLER.value and orphan.attempt.isdecimal():
        own = f"{storage.containers_path}/{orphan.internal_id}"
        folder.settle_hand_over(own, str(storage.volumes_path), int(orphan.attempt))
