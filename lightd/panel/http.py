"""The panel's client: HTTP with a bearer token, over kept connections, trusting nothing that comes back.

Redirections aren't followed, for the token is meant for one address. Proxies and passwords of the environment
are left alone. Of an answer no more is read than it may have, and what is compressed is not unpacked. Calls
have no time limit of their own: whoever calls sets one.
"""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs

from actors.remotesync.panel import Later, Outcome
from actors.remotesync.updates import Fault, Frame, Status
from lightd.panel.answers import Answer, to_ailment, to_outcome
from lightd.panel.wire import Call, Headers, Method, PanelUnavailable, Wire, open_wire
from lightd.version import version

LONGEST = 64 * 1024  # bytes of an answer to an update or a look at the health
LONGEST_DOCUMENT = 16 * 1024 * 1024  # bytes of the panel's configuration


@attrs.define(eq=False)
class HttpPanel:
    """A ``Panel`` at a URL. Made by ``open_http_panel``; ``_headers`` go with every request."""

    _wire: Wire
    _path: str
    _headers: Headers

    async def update(self, event_id: str, server: str, frame: Frame) -> Outcome:
        """Tell one frame; see ``Panel.update``."""
        try:
            answer = await self.ask(
                "POST", "/update", to_body(server, frame), headers=[(b"X-Lightd-Event", event_id.encode())]
            )
        except PanelUnavailable as trouble:
            return Later(str(trouble), everybody=True)
        return to_outcome(answer, time.time())

    async def health(self) -> str | None:
        """Say what is wrong; see ``Panel.health``."""
        try:
            return to_ailment(await self.ask("GET", "/health"))
        except PanelUnavailable as trouble:
            return str(trouble)

    async def ask(
        self,
        method: Method,
        path: str,
        document: object = None,
        *,
        headers: Headers = (),
        longest: int = LONGEST,
    ) -> Answer:
        """Return the panel's answer; raises ``PanelUnavailable``."""
        body = b"" if document is None else json.dumps(document).encode()
        more = [(b"Content-Length", b"%d" % len(body)), (b"Content-Type", b"application/json")]
        sent = [*self._headers, *headers, *(more if body else ())]
        return await self._wire.call(Call(method, self._path + path, sent, body, longest))


def to_body(server: str, frame: Frame) -> dict[str, str]:
    """Return a frame as the panel reads it."""
    match frame:
        case Status():
            return {"event": "update", "server": server, "status": frame.status}
        case Fault():
            return {"event": "update", "server": server, "error": frame.error, "data": frame.reason}


@asynccontextmanager
async def open_http_panel(url: str, token: str) -> AsyncIterator[HttpPanel]:
    """Yield the panel at ``url``, which need not be there."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    headers = {
        "Host": parts.netloc,
        "Authorization": f"Bearer {token}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"lightd/{version()}",
    }
    async with open_wire(parts.hostname or "", parts.port or (443 if tls else 80), tls=tls) as wire:
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        yield HttpPanel(wire, parts.path.rstrip("/"), sent)
