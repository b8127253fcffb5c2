"""The application class: Quart without what no request here needs.

Sessions (there are no cookies), views that are not coroutines (there are none), routing by host name, and
functions that build URLs of routes are left out: they cost time for every request, or at the start.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from quart.routing import QuartRule
from quart.sessions import NullSession, SessionInterface
from quart.typing import ResponseTypes
from quart.wrappers import Response
from quart.wrappers.base import BaseRequestWebsocket
from quart_trio import QuartTrio
from werkzeug.routing import MapAdapter

WITH_CONTEXT: Final = "ctx" in inspect.signature(QuartTrio.handle_user_exception).parameters
"""Quart 0.23, which needs Python 3.13, passes the context to its methods first; 0.22 last, or not at all."""
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

    async def full_dispatch_request(self, context: Any = None) -> ResponseTypes:  # noqa: ANN401 - of a release
        """As Quart's, without signals (nobody receives them), blueprints and sessions (there are none)."""
        result: Any = None
        before: Sequence[Any] = self.before_request_funcs[None]
        after: Sequence[Any] = self.after_request_funcs[None]
        try:
            for function in before:
                if (result := await function()) is not None:
                    break
            else:
                result = await self.dispatch_request(context)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - as Quart's
            handle: Callable[..., Awaitable[Any]] = self.handle_user_exception
            result = await (handle(context, error) if WITH_CONTEXT else handle(error))
        response: ResponseTypes = result if isinstance(result, Response) else await self.make_response(result)
        for function in reversed(after):
            response = await function(response)
        return response

    async def do_teardown_request(self, *given: Any) -> None:  # noqa: ANN401 - the context, and an error or None
        """As ``full_dispatch_request``, for what ends a request."""
        exc = next((each for each in given if isinstance(each, BaseException)), None)
        functions: Sequence[Any] = self.teardown_request_funcs[None]
        for function in reversed(functions):
            await function(exc)

    async def do_teardown_appcontext(self, *_: object) -> None:
        """Do nothing: there are neither functions for it nor receivers of its signal."""

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
