"""A client of the daemon's API: it returns the JSON of a response, or raises ``Trouble``.

It ignores proxies from the environment and follows no redirects, because the token is for one address.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import attrs
import httpx

from lightd.cli.commands.address import Address
from lightd.cli.commands.trouble import FAILED, REFUSED, UNKNOWN, UNREACHABLE, WRONG, Trouble

MEDIA_TYPE: Final = "Application/vnd.pkglatv1+json"
NO_CONNECTION: Final = "cannot connect to the daemon"
CONNECTING: Final = 5.0
PATIENCE: Final = 30.0


@attrs.define(eq=False)
class Client:
    """Sends requests to the daemon at ``address``; create it with ``open_client``."""

    address: Address
    _http: httpx.AsyncClient

    async def ask(
        self,
        method: str,
        path: str,
        *,
        patience: float = PATIENCE,
        body: object = None,
        **params: str | float,
    ) -> Any:  # noqa: ANN401 - JSON
        """The JSON of the response; raises ``Trouble``."""
        try:
            answer = await self._http.request(
                method,
                path,
                params=params or None,
                json=body,
                timeout=httpx.Timeout(patience, connect=CONNECTING),
            )
        except httpx.TimeoutException:
            raise Trouble(UNREACHABLE, f"timeout: the daemon at {self.address.url} did not answer") from None
        except httpx.HTTPError as error:
            raise unreachable(self.address, error) from None
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Trouble(UNREACHABLE, f"the server at {self.address.url} is not lightd")
        if answer.is_success:
            return said
        raise to_trouble(answer.status_code, said)


def unreachable(address: Address, error: Exception) -> Trouble:
    """The error for a daemon that cannot be reached at ``address``."""
    reason = _reason(error)
    advice = (
        "; use --ca FILE with the certificate of its authority"
        if "CERTIFICATE_VERIFY_FAILED" in reason
        else ""
    )
    return Trouble(UNREACHABLE, f"{NO_CONNECTION} at {address.url}: {reason}{advice}")


def _reason(error: Exception) -> str:
    """The first message in ``error`` or its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if str(cause):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def to_trouble(status: int, said: dict[str, Any]) -> Trouble:
    """The error that an unsuccessful response means. Pure."""
    sentence = str(said.get("error", f"the daemon answered {status}"))
    if "request_id" in said:
        sentence = f"{sentence} (request {said['request_id']} in the daemon's log)"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Trouble(REFUSED, f"rejected by the daemon: {sentence}")
    if said.get("code") == "container_not_found":
        return Trouble(UNKNOWN, sentence)
    return Trouble(FAILED, sentence)


def to_context(address: Address) -> ssl.SSLContext:
    """The TLS context: trusts the system's authorities, or the certificates of ``address``."""
    try:
        if address.pinned is not None and address.ca is None:
            context = ssl.create_default_context(cadata=address.pinned)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a certificate that is no authority
            context.check_hostname = False
            return context
        return ssl.create_default_context(cafile=address.ca)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        which = "server.tls.cert" if address.ca is None else f"--ca {address.ca}"
        raise Trouble(WRONG, f"cannot use {which}: {reason}") from None


@asynccontextmanager
async def open_client(address: Address) -> AsyncIterator[Client]:
    """A client of the daemon at ``address``; connects on the first request."""
    headers = {"Authorization": f"Bearer {address.token}", "Accept": MEDIA_TYPE}
    verify = to_context(address) if address.url.startswith("https:") else False
    async with httpx.AsyncClient(
        base_url=address.url, headers=headers, verify=verify, trust_env=False, follow_redirects=False
    ) as http:
        yield Client(address, http)
