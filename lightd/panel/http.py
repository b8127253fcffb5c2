"""The HTTP client for the panel: a bearer token, persistent connections, responses are not trusted.

Redirects are not followed, because the token is for one address. Proxies and credentials from the environment
are ignored. The size of a response is limited, and compressed responses are not unpacked. Calls have no
timeout; the caller sets one.
"""

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import attrs
import httpx
import trio

from actors.remotesync.panel import Later, Outcome
from actors.remotesync.updates import Frame
from lightd.api.events import to_panel_body
from lightd.config.version import version
from lightd.panel.answers import Answer, to_health_error, to_outcome

CONNECTIONS = 20
LONGEST = 64 * 1024  # bytes of a response to an update or a health check
LONGEST_DOCUMENT = 8 * 1024 * 1024  # bytes of the panel's configuration: thousands of containers
LONGEST_REASON = 200  # characters of an error that may quote the panel

_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError)
"""The last one is raised by the resolver for an invalid host name."""


class PanelUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The panel could not be reached, or did not answer with HTTP; the message is a sentence."""


@attrs.define(eq=False)
class HttpPanel:
    """A ``Panel`` at a URL; create it with ``open_http_panel``."""

    _url: str
    _client: httpx.AsyncClient

    async def update(self, event_id: str, server: str, frame: Frame) -> Outcome:
        """Send one update; see ``Panel.update``."""
        try:
            answer = await self.ask(
                "POST", "/update", to_panel_body(server, frame), headers={"X-Lightd-Event": event_id}
            )
        except PanelUnavailable as error:
            return Later(str(error), panel_wide=True)
        return to_outcome(answer, time.time())

    async def health(self) -> str | None:
        """Return what is wrong, or None; see ``Panel.health``."""
        try:
            return to_health_error(await self.ask("GET", "/health"))
        except PanelUnavailable as error:
            return str(error)

    async def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        headers: dict[str, str] | None = None,
        longest: int = LONGEST,
    ) -> Answer:
        """Return the panel's answer; raises ``PanelUnavailable``. A ``document`` of bytes is JSON already."""
        content = document if isinstance(document, bytes) else None
        if content is None and document is not None:
            content = json.dumps(document, ensure_ascii=False).encode()
        kind = {} if content is None else {"Content-Type": "application/json"}
        try:
            request = self._client.build_request(
                method, self._url + path, content=content, headers={**kind, **(headers or {})}
            )
            request.stream = _Body(content or b"")
            async with aclosing(await self._client.send(request, stream=True)) as response:
                body = bytearray()
                # The block is cancelled from within: httpx does not close its generators.
                with trio.CancelScope() as enough:
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) > longest:
                            enough.cancel()
                whole = None if enough.cancel_called else bytes(body)
                return Answer(response.status_code, response.headers, whole)
        except _ERRORS as error:
            raise PanelUnavailable(to_reason(error)) from error


def to_reason(error: BaseException) -> str:
    """Return the message of ``error``, or of its first cause that has one.

    The message is truncated, because it may quote the panel.
    """
    cause: BaseException | None = error
    while cause is not None:
        if text := str(cause):
            return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


@attrs.define(eq=False)
class _Body(httpx.AsyncByteStream):
    """The content of a request. httpx's own class is a generator that a cancelled call does not close."""

    _rest: bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece, self._rest = self._rest, b""
        if not piece:
            raise StopAsyncIteration
        return piece


@asynccontextmanager
async def open_http_panel(url: str, token: str) -> AsyncIterator[HttpPanel]:
    """Yield the panel at ``url``; connects on the first request."""
    trusted = httpx.create_ssl_context()
    trusted.load_default_certs()  # private authorities are installed in the system
    client = httpx.AsyncClient(
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"lightd/{version()}",
        },
        verify=trusted,
        timeout=None,  # noqa: S113 - the caller sets one timeout for the whole call
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    )
    async with client:
        yield HttpPanel(url.rstrip("/"), client)
