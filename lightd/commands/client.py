"""A client of the daemon's API: an answer's JSON, or the ``Trouble`` that it means.

It goes by no proxy of the environment and follows no redirection: the token is for one address.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import attrs
import httpx

from lightd.commands.address import Address
from lightd.commands.trouble import FAILED, REFUSED, UNKNOWN, UNREACHABLE, WRONG, Trouble

MEDIA_TYPE: Final = "Application/vnd.pkglatv1+json"
CONNECTING: Final = 5.0
PATIENCE: Final = 30.0


@attrs.define(eq=False)
class Client:
    """Asks the daemon at ``address``; made by ``open_client``."""

    address: Address
    _http: httpx.AsyncClient

    async def ask(self, method: str, path: str, *, patience: float = PATIENCE, **params: str | float) -> Any:  # noqa: ANN401 - JSON
        """The JSON of the answer; raises ``Trouble``."""
        try:
            answer = await self._http.request(
                method, path, params=params or None, timeout=httpx.Timeout(patience, connect=CONNECTING)
            )
        except httpx.TimeoutException:
            raise Trouble(UNREACHABLE, f"the daemon at {self.address.url} does not answer in time") from None
        except httpx.HTTPError as error:
            raise unreachable(self.address, error) from None
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Trouble(UNREACHABLE, f"what answers at {self.address.url} is no lightd")
        if answer.is_success:
            return said
        raise to_trouble(answer.status_code, said)


def unreachable(address: Address, error: Exception) -> Trouble:
    """The trouble that nobody can be spoken with at ``address``."""
    reason = _reason(error)
    advice = "; --ca names a file with its authority" if "CERTIFICATE_VERIFY_FAILED" in reason else ""
    return Trouble(UNREACHABLE, f"no daemon answers at {address.url}: {reason}{advice}")


def _reason(error: Exception) -> str:
    """The first words that ``error``, or what it comes from, has for what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if str(cause):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def to_trouble(status: int, said: dict[str, Any]) -> Trouble:
    """The trouble that an answer other than success means. Pure."""
    sentence = str(said.get("error", f"the daemon answers {status}"))
    if "request_id" in said:
        sentence = f"{sentence} (request {said['request_id']} in its log)"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Trouble(REFUSED, f"the daemon refuses: {sentence}")
    if said.get("code") == "container_not_found":
        return Trouble(UNKNOWN, sentence)
    return Trouble(FAILED, sentence)


def to_context(address: Address) -> ssl.SSLContext:
    """Who is trusted to be the daemon: the system's authorities, or whom ``address`` says."""
    try:
        if address.pinned is not None and address.ca is None:
            context = ssl.create_default_context(cadata=address.pinned)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need be no authority
            context.check_hostname = False
            return context
        return ssl.create_default_context(cafile=address.ca)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        which = "server.tls.cert" if address.ca is None else f"{address.ca}, given as --ca,"
        raise Trouble(WRONG, f"{which} can't be used: {reason}") from None


@asynccontextmanager
async def open_client(address: Address) -> AsyncIterator[Client]:
    """A client of the daemon at ``address``, which need not be there."""
    headers = {"Authorization": f"Bearer {address.token}", "Accept": MEDIA_TYPE}
    verify = to_context(address) if address.url.startswith("https:") else False
    async with httpx.AsyncClient(
        base_url=address.url, headers=headers, verify=verify, trust_env=False, follow_redirects=False
    ) as http:
        yield Client(address, http)
