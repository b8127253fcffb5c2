"""``lightd cp SRC DST``: copy files and folders between this machine and the volume of a container.

As ``docker cp``: one side is ``ID:PATH``. If the destination is an existing folder, or ends with ``/``, the
copy is made in it; ``SRC/.`` means the content of a folder. Paths are in the volume, which is
``/home/container`` in the container. Symbolic links and special files are left out, and counted.
"""

import argparse
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

import attrs

from lightd.cli.commands import formats
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, WRONG, Trouble

HOME: Final = "/home/container"
PIECE: Final = 256 * 1024
PAGE: Final = 10_000
_PLAIN: Final = 0o644


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Copy, and say how much on standard error."""
    source, destination = to_place(args.source), to_place(args.destination)
    match source, destination:
        case ((str(internal_id), path), (None, local)):
            copy = _open(internal_id, client)
            copy.fetch(path, local)
        case ((None, local), (str(internal_id), path)):
            copy = _open(internal_id, client)
            copy.send(local, path)
        case _:
            raise Trouble(WRONG, "one of the two paths must be in a container: ID:PATH")
    left_out = f"; {copy.left_out} links and special files were left out" if copy.left_out else ""
    noun = "file" if copy.files == 1 else "files"
    output.note(f"copied {copy.files} {noun}, {formats.to_size(copy.size)}{left_out}")
    return 0


def to_place(text: str) -> tuple[str | None, str]:
    """The container and the path in ``ID:PATH``; without a container, a path of this machine. Pure."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or name in {"", ".", ".."}:
        return None, text
    if path == HOME or path.startswith(f"{HOME}/"):
        path = path[len(HOME) :]
    return name, path.lstrip("/")


def _open(internal_id: str, client: Client) -> "Copy":
    return Copy(client, client.ask("GET", f"/containers/{internal_id}")["volume_id"])


@attrs.define
class Copy:
    """Copies to or from one volume, and counts."""

    _client: Client
    _volume_id: str
    files: int = 0
    size: int = 0
    left_out: int = 0

    # ---- from the volume

    def fetch(self, path: str, local: str) -> None:
        """Copy ``path`` of the volume to ``local``; raises ``Trouble``."""
        target, name = Path(local), PurePosixPath(path).name
        content = path.endswith("/.") or path in {"", "."}
        path = path.removesuffix("/.").removesuffix("/") if path != "." else ""
        listing = self._list(path)
        try:
            if listing is None:
                if target.is_dir() or local.endswith("/"):
                    target /= name
                self._fetch_file(path, target)
                return
            if target.is_dir() and not content:
                target /= name
            self._fetch_folder(path, listing, target)
        except OSError as error:
            raise _to_trouble(error) from None

    def _fetch_folder(self, path: str, listing: Iterator[dict[str, Any]], target: Path) -> None:
        target.mkdir(exist_ok=True)
        for entry in listing:
            name = str(entry["name"])
            if "/" in name or name in {"", ".", ".."}:
                raise Trouble(FAILED, f"the daemon listed an invalid file name: {name}")
            inner = f"{path}/{name}" if path else name
            match entry["type"]:
                case "directory":
                    self._fetch_folder(inner, self._list(inner) or iter(()), target / name)
                case "file":
                    self._fetch_file(inner, target / name, int(entry["mode"], 8) & 0o777)
                case _:
                    self.left_out += 1

    def _fetch_file(self, path: str, target: Path, mode: int = _PLAIN) -> None:
        """Write the file beside its place and rename it: a part is never seen, a link is replaced."""
        part = target.with_name(f".{target.name}.lightd-part")
        url = f"/volumes/{self._volume_id}/files/content"
        try:
            with self._client.download(url, path=path) as response:
                file = _create(part)
                with file:
                    while piece := response.read(PIECE):
                        _write(file, piece)
                        self.size += len(piece)
            part.chmod(mode)
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink()
        self.files += 1

    def _list(self, path: str) -> Iterator[dict[str, Any]] | None:
        """The entries of a folder; None if ``path`` is a file. Raises ``Trouble``."""
        url = f"/volumes/{self._volume_id}/files"
        try:
            page = self._client.ask("GET", url, path=path, limit=PAGE)
        except Trouble as trouble:
            if trouble.answer.get("code") == "wrong_kind":
                return None
            raise
        return self._pages(url, path, page)

    def _pages(self, url: str, path: str, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from page["files"]
        while page.get("next"):
            page = self._client.ask("GET", url, path=path, limit=PAGE, cursor=page["next"])
            yield from page["files"]

    # ---- to the volume

    def send(self, local: str, path: str) -> None:
        """Copy ``local`` to ``path`` of the volume; raises ``Trouble``."""
        source = Path(local)
        content = local == "." or local.endswith("/.")
        try:
            if source.is_dir():
                inside = not content and self._is_folder(path)
                self._send_folder(source, _join(path, source.resolve().name) if inside else path.rstrip("/"))
            else:
                inside = path in {"", "."} or path.endswith("/") or self._is_folder(path)
                self._send_file(source, _join(path, source.name) if inside else path)
        except OSError as error:
            raise _to_trouble(error) from None
        except UnicodeEncodeError as error:
            raise Trouble(
                FAILED, f"{error.object}: the name is not UTF-8, which names in a volume must be"
            ) from None

    def _is_folder(self, path: str) -> bool:
        try:
            return self._list("" if path == "." else path.rstrip("/")) is not None
        except Trouble as trouble:
            if trouble.answer.get("code") == "file_not_found":
                return False
            raise

    def _send_folder(self, source: Path, path: str) -> None:
        if path not in {"", "."}:
            self._client.ask("POST", f"/volumes/{self._volume_id}/folders", body={"path": path})
        for entry in sorted(source.iterdir()):
            inner = _join(path, entry.name)
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                self.left_out += 1
            elif entry.is_dir():
                self._send_folder(entry, inner)
            else:
                self._send_file(entry, inner)

    def _send_file(self, source: Path, path: str) -> None:
        with source.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Trouble(FAILED, f"{source} is not a file or a folder")
            url = f"/volumes/{self._volume_id}/files/content"
            self._client.upload(url, file, found.st_size, path=path)
        if found.st_mode & stat.S_IXUSR:
            body = {"path": path, "mode": f"{found.st_mode & 0o777:03o}"}
            self._client.ask("POST", f"/volumes/{self._volume_id}/chmod", body=body)
        self.files += 1
        self.size += found.st_size


def _join(path: str, name: str) -> str:
    """The path of ``name`` in a folder of the volume; raises ``UnicodeEncodeError`` if it is not UTF-8."""
    joined = name if path in {"", "."} else f"{path.rstrip('/')}/{name}"
    joined.encode()
    return joined


def _create(path: Path) -> Any:  # noqa: ANN401 - a file, whose errors are not those of the connection
    try:
        return path.open("wb")
    except OSError as error:
        raise _to_trouble(error) from None


def _write(file: Any, piece: bytes) -> None:  # noqa: ANN401 - as above
    try:
        file.write(piece)
    except OSError as error:
        raise _to_trouble(error) from None


def _to_trouble(error: OSError) -> Trouble:
    return Trouble(FAILED, f"{error.filename or 'the file'}: {error.strerror or error}")
