"""Every private name of a library that this package uses, and the versions that it was checked with.

A private name can change in any release. So the server does not start with other versions: an upgrade of a
library is a change of this table, after tests/server have passed with it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs


@attrs.frozen
class Library:
    """``versions`` are prefixes of supported ones; ``private`` are classes with their private names."""

    versions: tuple[str, ...]
    private: Mapping[str, tuple[str, ...]]


OVERRIDES: Final[Mapping[str, Library]] = MappingProxyType(
    {
        "h11": Library(
            ("0.16.",),
            {
                "h11._receivebuffer.ReceiveBuffer": ("_data", "_extract", "_multiple_lines_search"),
                "h11._connection.Connection": ("_receive_buffer",),
            },
        ),
        "hypercorn": Library(
            ("0.18.0",),
            {
                "hypercorn.protocol.h11.H11Protocol": (
                    *("_check_protocol", "_create_stream", "_maybe_recycle"),
                    *("_send_error_response", "_send_h11_event"),
                ),
                "hypercorn.protocol.http_stream.HTTPStream": ("_send_error_response",),
                "hypercorn.protocol.ws_stream.WSStream": (
                    *("_accept", "_handle_events", "_send_error_response", "_send_wsproto_event"),
                ),
            },
        ),
        "quart": Library(
            ("0.22.", "0.23."),
            {
                "quart.asgi.ASGIHTTPConnection": ("_create_request_from_scope", "_send_response"),
                "quart.asgi.ASGIWebsocketConnection": (
                    *("_accepted", "_closed", "_create_websocket_from_scope"),
                ),
            },
        ),
        "quart-trio": Library(
            ("0.12.", "0.13."),
            {
                "quart_trio.asgi.TrioASGIHTTPConnection": (),
                "quart_trio.asgi.TrioASGIWebsocketConnection": (),
                "quart_trio.wrappers.request.TrioBody": (),
            },
        ),
        "werkzeug": Library(
            ("3.1.",),
            {
                "werkzeug.datastructures.headers.Headers": ("_list",),
                "werkzeug.routing.rules.Rule": ("_compile_builder",),
            },
        ),
        "wsproto": Library(("1.2.", "1.3."), {"wsproto.connection.Connection": ()}),
    }
)
"""By the names of the distributions. A class without names is subclassed or used in an undocumented way."""


def check_versions(installed: Callable[[str], str] = importlib.metadata.version) -> None:
    """Raise ``ImportError`` if a library is installed in a version that was not checked."""
    for name, library in OVERRIDES.items():
        version = installed(name)
        if not f"{version}.".startswith(library.versions):
            supported = " or ".join(each.rstrip(".") for each in library.versions)
            raise ImportError(
                f"{name} {version} is installed, but lightd uses private names of {name} {supported}: "
                f"install that version"
            )
