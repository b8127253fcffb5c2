"""Prepares servers that were created from eggs, before each start: their variables and configuration files.

A value that violates the rules of its variable refuses the start. A configuration file that cannot be changed
does not: the console says why, and the server starts with the file as it is. The files are changed one after
the other, so that one of them at a time is in memory. A file whose values are right is not written.

Everything that a tenant can put in the place of a configuration file is left as it is: see
``lightd.files.jail``. What is written is charged to the volume.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.container.preparation import Unprepared
from actors.container.spec import ContainerSpec, EggUse
from actors.kernel.decider import Rejection
from lightd.eggs.environment import to_server
from lightd.files import errors
from lightd.files.charging import ENTRY
from lightd.files.jail import Jail
from lightd.files.paths import parse_path, to_shown
from lightd.files.rewriting import Contents, put_back, read_whole
from lightd.files.volumes import VolumeFolders

if TYPE_CHECKING:
    from lightd.eggs.egg import ConfigFile, Egg
    from lightd.eggs.placeholders import Server
    from lightd.eggs.rendering.render import Rendered

MOST_NOTES: Final = 20
"""Lines on the console about the files of one start."""

MOST_MISFITS: Final = 5
"""Places in a file that a line names."""

TRIES: Final = 3
"""How often a file is rendered that a client changes at the same moment."""

IN_THREAD: Final = 128 * 1024
"""Bytes of a file that a thread renders: parsers hold Python's lock for up to a millisecond for it."""

Say = Callable[[str], None]


@attrs.define(eq=False)
class Preparation:
    """Prepares servers as their eggs say; see ``actors.container.preparation.Preparer``.

    ``read(id, version)`` returns a stored egg, or raises ``Rejection``. ``interface`` returns the address of
    the host in the network of the containers.
    """

    folders: VolumeFolders
    read: Callable[[str, str], Awaitable["Egg"]]
    interface: Callable[[], str]

    async def find_missing(self, spec: ContainerSpec) -> list[str]:
        """Return a sentence for each variable whose value violates its rules; raises ``Rejection``."""
        if spec.egg is None:
            return []
        return await self._find_missing(await self.read(spec.egg.id, spec.egg.version), spec)

    async def prepare(self, spec: ContainerSpec, say: Say) -> None:
        """Rewrite the configuration files of the egg; raises ``Unprepared``."""
        if spec.egg is None:
            return
        egg = await self._read(spec.egg)
        missing = await self._find_missing(egg, spec)
        if missing:
            raise Unprepared(to_sentence(missing))
        server = to_server(spec, self.interface())  # its own environment goes before the egg's variables
        server = attrs.evolve(server, variables={**server.variables, **dict(spec.environment)})
        notes = 0
        for file in egg.files:
            note = await self._rewrite(spec.volume_id, file, server)
            notes += bool(note)
            if note and notes <= MOST_NOTES:
                say(note)
        if notes > MOST_NOTES:
            say(f"{notes - MOST_NOTES} more configuration files were changed, or could not be changed")

    async def _read(self, use: EggUse) -> "Egg":
        try:
            return await self.read(use.id, use.version)
        except Rejection as rejection:
            raise Unprepared(str(rejection)) from None

    async def _find_missing(self, egg: "Egg", spec: ContainerSpec) -> list[str]:
        def find() -> list[str]:
            from lightd.eggs.check import find_violations  # noqa: PLC0415 - a node without eggs does not load it

            own = () if spec.egg is None else spec.egg.variables
            return find_violations(egg, {**dict(own), **dict(spec.environment)})

        return await trio.to_thread.run_sync(find)

    async def _rewrite(self, volume_id: str, file: "ConfigFile", server: "Server") -> str:
        """Rewrite one file; return what is to be said about it, empty if it was right."""
        shown = to_shown(file.path)
        try:
            for _ in range(TRIES):
                before, rendered = await self._render(volume_id, file, server)
                if rendered.problem or (rendered.data == before.data and before.etag is not None):
                    break
                try:
                    await self._write(volume_id, before, rendered.data)
                except errors.PreconditionFailed:
                    continue
                return _to_note(f"{shown} was adapted", rendered.misfits)
            else:
                return f"Warning: {shown} was not changed: it keeps changing"
        except errors.FileRefused as refusal:
            return f"Warning: {shown} was not changed: {refusal}"
        except OSError as error:
            return f"Warning: {shown} was not changed: {error.strerror}"
        if rendered.problem:
            return f"Warning: {shown} was not changed: it {rendered.problem}"
        return _to_note(f"Warning: {shown}", rendered.misfits) if rendered.misfits else ""

    async def _render(
        self, volume_id: str, file: "ConfigFile", server: "Server"
    ) -> tuple[Contents, "Rendered"]:
        def work(jail: Jail) -> tuple[Contents, "Rendered | None"]:
            from lightd.eggs.rendering import render  # noqa: PLC0415 - a node without eggs does not load it

            before = read_whole(jail, parse_path(file.path.lstrip("/")), render.LARGEST)
            small = len(before.data) <= IN_THREAD
            return before, render.render(file, before.data, server) if small else None

        before, rendered = await self.folders.run_for_server(volume_id, work)
        if rendered is None:
            from lightd.eggs.rendering.apart import render_apart  # noqa: PLC0415 - a thread has loaded its parts

            rendered = await render_apart(file, before.data, server)
        return before, rendered

    async def _write(self, volume_id: str, before: Contents, data: bytes) -> None:
        folders = 0 if before.etag is not None else len(before.path.parts) - 1  # that may have to be created
        async with self.folders.writing(volume_id, len(data) + folders * ENTRY) as allowance:
            await self.folders.run_for_server(
                volume_id, lambda jail: put_back(jail, before, data), allowance.charge
            )


def to_sentence(missing: list[str]) -> str:
    """Return one sentence for what ``find_missing`` found."""
    return f"variables must be filled in first: {'; '.join(missing)}"


def _to_note(begin: str, misfits: tuple[str, ...]) -> str:
    if not misfits:
        return begin
    named = ", ".join(to_shown(each)[:100] for each in misfits[:MOST_MISFITS])
    more = len(misfits) - MOST_MISFITS
    return f"{begin}; no place for {named}{f' and {more} more' if more > 0 else ''}"
