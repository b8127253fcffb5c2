"""The application class: Quart without what no request here needs.

Sessions (there are no cookies), views that are not coroutines (there are none), routing by host name, and
functions that build URLs of routes are left out: they cost time for every request, or at the start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quart.routing import QuartRule
from quart.sessions import NullSession, SessionInterface
from quart.wrappers.base import BaseRequestWebsocket
from quart_trio import QuartTrio
from werkzeug.routing import MapAdapter

NOWHERE = "lightd"
"""Replaces the name of the host, which no route depends on."""


class NoSessions(SessionInterface):
    """Every request has the same session, which can't be written to."""

    session = NullSession()

    async def open_session(self, app: object, request: object) -> NullSession:  # noqa: ARG002  # Quart passes them
        return self.session


class Rule(QuartRule):
    """A rule without functions that build URLs; compiling them would be most of the start of the routes."""

    def _compile_builder(self, *_: object, **__: object) -> Callable[..., tuple[str, str]]:
        return _build_nothing


def _build_nothing(*_: object, **__: object) -> tuple[str, str]:
    raise NotImplementedError("no URL is built from a route")


class Application(QuartTrio):
    session_interface = NoSessions()  # type: ignore[assignment]  # Quart names the class of its default
    url_rule_class = Rule  # type: ignore[assignment]  # as above

    def ensure_async(self, func: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        return func

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        if request is None:
            return None
        return self.url_map.bind(
            NOWHERE,
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
            query_args=request.query_string.decode("latin1"),
        )
