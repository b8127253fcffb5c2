"""Chooses the renderer for a configuration file."""

from typing import Final

import attrs

from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.placeholders import Server, TooLongError, fill_value
from lightd.eggs.rendering import lines, trees
from lightd.eggs.rendering.values import Room, UnreadableError

LARGEST: Final = 1 << 20
"""Bytes of a file."""


@attrs.frozen
class Rendered:
    """The new content of a file. ``problem`` says why it is unchanged; ``misfits`` had no effect."""

    data: bytes
    problem: str = ""
    misfits: tuple[str, ...] = ()


def render(file: ConfigFile, data: bytes, server: Server) -> Rendered:
    """Return what is in the file, as the egg wants it, with placeholders filled in.

    Never raises for what is in the file: a tenant writes it. What is not UTF-8 is kept.
    """
    if len(data) > LARGEST:
        return Rendered(data, f"is larger than {LARGEST} bytes")
    room = Room()
    try:
        replacements = [_fill(each, server, room) for each in file.replacements]
        text, misfits = _render(file.parser, data, replacements, room)
    except (UnreadableError, TooLongError) as error:
        return Rendered(data, str(error))
    rendered = text.encode("utf-8", "surrogateescape")
    return Rendered(rendered, misfits=tuple(misfits))


def _fill(replacement: Replacement, server: Server, room: Room) -> Replacement:
    value, if_value = fill_value(replacement.value, server), fill_value(replacement.if_value, server)
    for before, after in ((replacement.value, value), (replacement.if_value, if_value)):
        room.take(max(0, len(after) - len(before)))
    return attrs.evolve(replacement, value=value, if_value=if_value)


def _render(parser: str, data: bytes, replacements: list[Replacement], room: Room) -> tuple[str, list[str]]:
    if parser in trees.RENDERERS or parser == "xml":
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise UnreadableError("is not UTF-8") from None
        if parser == "xml":
            from lightd.eggs.rendering import markup  # noqa: PLC0415 - a daemon without such files does not load it

            return markup.render_xml(text, replacements, room)
        return trees.RENDERERS[parser](text, replacements, room)
    renderers = {"file": lines.render_text, "properties": lines.render_properties, "ini": lines.render_ini}
    return renderers[parser](data.decode("utf-8", "surrogateescape"), replacements, room), []
