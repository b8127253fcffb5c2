"""Chooses the renderer for a configuration file."""

from typing import Final

import attrs

from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.placeholders import Server, fill_value
from lightd.eggs.rendering import lines, trees
from lightd.eggs.rendering.values import UnreadableError

LARGEST: Final = {"file": 1 << 20, "properties": 1 << 20, "ini": 1 << 20, "json": 1 << 20}
LARGEST_TREE: Final = 128 * 1024
"""Bytes of a file in YAML, TOML and XML: reading takes up to 10 us for each."""


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
    largest = LARGEST.get(file.parser, LARGEST_TREE)
    if len(data) > largest:
        return Rendered(data, f"is larger than {largest} bytes")
    replacements = [
        attrs.evolve(each, value=fill_value(each.value, server), if_value=fill_value(each.if_value, server))
        for each in file.replacements
    ]
    try:
        text, misfits = _render(file.parser, data, replacements)
    except UnreadableError as error:
        return Rendered(data, str(error))
    rendered = text.encode("utf-8", "surrogateescape")
    return Rendered(rendered, misfits=tuple(misfits))


def _render(parser: str, data: bytes, replacements: list[Replacement]) -> tuple[str, list[str]]:
    if parser in trees.RENDERERS or parser == "xml":
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise UnreadableError("is not UTF-8") from None
        if parser == "xml":
            from lightd.eggs.rendering import markup  # noqa: PLC0415 - a daemon without such files does not load it

            return markup.render_xml(text, replacements)
        return trees.RENDERERS[parser](text, replacements)
    renderers = {"file": lines.render_text, "properties": lines.render_properties, "ini": lines.render_ini}
    return renderers[parser](data.decode("utf-8", "surrogateescape"), replacements), []
